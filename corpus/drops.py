"""Why a document is not in the corpus: the one list of reasons, with the number each has in the ledger."""

from enum import IntEnum


class Drop(IntEnum):
    """The verdict on one record. Numbers are sealed in ledgers: add at the end, never renumber.

    1-19 a record that could not be read, 20-39 a document a rule refused, 40-59 a duplicate.
    """

    KEPT = 0
    BROKEN_JSON = 1  # the line is not one JSON object
    MISSING_FIELD = 2  # a field the format requires is absent
    WRONG_TYPE = 3  # a field the format requires holds another type
    UNKNOWN_SET = 4  # a Pile set name that is none of the 22
    OVERSIZE_RECORD = 5  # longer than the recipe's limit for one record
    TRUNCATED_RECORD = 6  # the container ended or broke inside this record
    BROKEN_RECORD = 7  # its header or its length is wrong: where it says it ends, no other begins
    BROKEN_PAGE = 8  # an HTTP message that does not decode, or a page that breaks its extractor
    OVERSIZE_PAGE = 9  # a page too large, too deep or too crowded for an extractor to end in time
    BROKEN_XML = 10  # not well-formed, not of its format, or a bomb
    BROKEN_MARKUP = 11  # wikitext that does not parse, or would not in bounded time
    EMPTY = 20  # no text is left after normalisation
    TOO_FEW_WORDS = 21
    TOO_MANY_BYTES = 22
    TOO_FEW_LETTERS = 23
    REPEATED_LINES = 24
    OTHER_LANGUAGE = 25  # the languages the recipe keeps are less likely together than it asks
    FOREIGN_RULE = 26  # a block of another library refused it; the row says which, and in which words
    LISTED_URL = 27  # a list of the recipe's names its URL, or the domain it lies in
    EXACT_DUPLICATE = 40  # the same normalised text as the winner
    NEAR_DUPLICATE = 41  # Jaccard with the winner at or above the recipe's threshold
    REPEATED_URL = 42  # the same URL as the winner, which was fetched first

    @property
    def label(self) -> str:
        """The reason as tables and reports print it."""
        return self.name.lower().replace("_", " ")

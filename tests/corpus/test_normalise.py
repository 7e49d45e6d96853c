"""The normalisation rules: each against hand-made cases or an oracle, and all against the laws they share."""

from __future__ import annotations

import hashlib
import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.errors import RecipeError
from corpus.normalise import EXTRACTION_RULES, RULES, normalise

ALL_RULES = {**RULES, **EXTRACTION_RULES}
SEQUENCES = [order for k in range(1, len(RULES) + 1) for order in itertools.permutations(RULES, k)]

START = "*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK EMMA ***"
PLAIN_END = "End of Project Gutenberg's Emma, by Jane Austen"
SMALL_PRINT = "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*"
CREDIT = "Produced by Ann Other and the Online\nDistributed Proofreading Team at http://www.pgdp.net"
FOR_ANYONE = (
    "This eBook is for the use of anyone anywhere at no cost and with\n"
    "almost no restrictions whatsoever.  You may copy it, give it away or\n"
    "re-use it under the terms of the Project Gutenberg License included\n"
    "with this eBook or online at www.gutenberg.org"
)

# Pieces that the rules look for, pieces that look like them, and what may stand between.
PIECES = [
    *("word", "A sentence, plainly.", "é", "“so–so”", "😀", "a" * 70, "the lazy dog " * 12),
    *(" ", "  ", "\n", "\n\n", "\n\n\n", "\r\n", "\r", "\t", "\x00", "\x0b", "\x0c", "\x7f", "\x85", "\xa0"),
    *(
        "\u1680",
        "\u2000",
        "\u200a",
        "\u200b",
        "\u2028",
        "\u2029",
        "\u202f",
        "\u205f",
        "\u3000",
        "\u3001",
        "\ufeff",
    ),
    *("CHAPTER I", "## Chapter 12.", "*chapter twenty-two:*", "CHAPTER THE LAST", "chapter", "Chapter 3: Home"),
    *(START, END, PLAIN_END, SMALL_PRINT, CREDIT, FOR_ANYONE, "Produced by", "Produced by Ann Other"),
    *("*** START OF THIS PROJECT GUTENBERG EBOOK A TITLE\nOVER TWO LINES ***", "***", "THIS", "by", "Project"),
    *(
        "End of Project Gutenberg's",
        "This eBook by Project Gutenberg",
        "Gutenberg",
        "pgdp.net",
        "&amp;lt;",
        "&gt;",
    ),
]
pieces = st.lists(st.sampled_from(PIECES), max_size=16).map("".join)
lines = st.lists(st.sampled_from(PIECES), max_size=16).map("\n".join)
documents = st.one_of(st.text(max_size=200), pieces, lines)


def apply(rule: str, *texts: str) -> list[str]:
    return [t.decode() for t in ALL_RULES[rule].apply(Texts.from_list([t.encode() for t in texts]))]


def run(text: str, *rules: str) -> str:
    return normalise(Texts.from_list([text.encode()]), rules)[0].decode()


class TestLaws:
    @pytest.mark.parametrize("rule", RULES)
    @given(documents)
    @settings(max_examples=300)
    def test_each_rule_is_idempotent(self, rule: str, text: str) -> None:
        once = apply(rule, text)
        assert apply(rule, *once) == once

    @given(st.lists(documents, max_size=4), st.sampled_from(SEQUENCES))
    @settings(max_examples=600)
    # A heading that goes leaves empty lines; a form feed hides a heading; a control hides a mark; a heading hides
    # that a credit opens its paragraph.
    @example(["a\n\nCHAPTER I\n\nb"], ("whitespace", "chapter-headings"))
    @example(["a\fCHAPTER I\nb"], ("chapter-headings", "whitespace"))
    @example([f"{START[:9]}\x01{START[9:]}\na"], ("gutenberg-notices", "whitespace"))
    @example([f"CHAPTER I\n{CREDIT}\n\na"], ("gutenberg-notices", "chapter-headings"))
    def test_every_sequence_of_rules_is_idempotent(self, texts: list[str], rules: tuple[str, ...]) -> None:
        once = normalise(Texts.from_list([t.encode() for t in texts]), rules)
        assert list(normalise(once, rules)) == list(once)
        for rule in rules:
            assert list(RULES[rule].apply(once)) == list(once)

    @given(st.lists(documents, max_size=6), st.sampled_from(SEQUENCES))
    @settings(max_examples=300)
    def test_a_document_alone_is_as_in_any_batch(self, texts: list[str], rules: tuple[str, ...]) -> None:
        together = normalise(Texts.from_list([t.encode() for t in texts]), rules)
        assert [t.decode() for t in together] == [run(t, *rules) for t in texts]

    @pytest.mark.parametrize("rule", ALL_RULES)
    @given(st.lists(documents, max_size=6))
    @settings(max_examples=200)
    def test_a_rule_sees_one_text_at_a_time(self, rule: str, texts: list[str]) -> None:
        assert apply(rule, *texts) == [apply(rule, t)[0] for t in texts]

    @pytest.mark.parametrize("rule", ALL_RULES)
    @given(documents)
    @settings(max_examples=200)
    def test_valid_utf8_stays_valid_and_grows_never(self, rule: str, text: str) -> None:
        (after,) = apply(rule, text)  # decodes strictly
        assert len(after.encode()) <= len(text.encode())

    @pytest.mark.parametrize("rule", ALL_RULES)
    def test_words_never_join_across_two_texts(self, rule: str) -> None:
        torn = [
            "CHAP",
            "TER 1",
            START[:20],
            START[20:],
            "a ",
            " b",
            "a\n",
            "\n\nb",
            "&am",
            "p;",
            "&g",
            "t;",
            "&",
            "lt;",
            "\r",
            "\n",
            "Guten",
        ]
        assert apply(rule, *torn) == [apply(rule, t)[0] for t in torn]

    def test_a_slice_of_a_batch_is_read_from_its_own_start(self) -> None:
        whole = Texts.from_list([b"x  x", b"a  b\nCHAPTER 1\nc", b"y  y"])
        part = Texts.from_arrow(whole.to_arrow().slice(1, 1))
        assert list(normalise(part, list(RULES))) == [b"a b\n\nc"]

    def test_no_texts_and_no_rules(self) -> None:
        assert list(normalise(Texts.from_list([]), list(RULES))) == []
        assert list(normalise(Texts.from_list([b" a "]), [])) == [b" a "]

    def test_an_unknown_rule_is_the_users_mistake(self) -> None:
        with pytest.raises(RecipeError, match="whitespaces"):
            normalise(Texts.from_list([b"a"]), ["whitespace", "whitespaces"])


def plain_whitespace(text: str) -> str:
    text = re.sub("\r\n|[\r\v\f\x85\u2028\u2029]", "\n", text)
    text = re.sub("[\x00-\x08\x0e-\x1f\x7f\ufeff]", "", text)
    text = re.sub("[\t \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+", " ", text)
    lines = [line.removeprefix(" ").removesuffix(" ") for line in text.split("\n")]
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


class TestWhitespace:
    @given(st.one_of(documents, st.text(st.sampled_from("a \n\r\t\xa0\u2028\u2010\ufeff\x00é"), max_size=400)))
    @settings(max_examples=1000)
    def test_against_plain_python(self, text: str) -> None:
        assert apply("whitespace", text) == [plain_whitespace(text)]

    def test_every_character_between_letters(self) -> None:
        scalars = itertools.chain(range(0xD800), range(0xE000, 0x110000))
        text = "".join(f"a{chr(point)}b" for point in scalars)
        assert apply("whitespace", text) == [plain_whitespace(text)]

    @pytest.mark.parametrize("last", [*"\t\r\0\x7f\x85\xa0\u1680\u2009\u2028\u202f\u205f\u3000\ufeff"])
    def test_a_gap_at_every_place_of_a_long_clean_text(self, last: str) -> None:
        gaps = [
            first + last + end for first in ("", " ", "\n", "\n\n", "“") for end in ("", " ", "\n", "\n\n", "é")
        ]
        texts = ["x" * place + gap + "y" * 80 for place in range(200) for gap in gaps]
        assert apply("whitespace", *texts) == [plain_whitespace(text) for text in texts]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("a\r\nb\rc\n\rd", "a\nb\nc\n\nd"),
            ("\ufeff a \x00 b ", "a b"),
            ("one\n \t\n\u3000\n\n two", "one\n\ntwo"),
            ("a\u200bb", "a\u200bb"),  # the zero-width space is on no list
            (" \n\t\r\n", ""),
            ("", ""),
        ],
    )
    def test_by_hand(self, before: str, after: str) -> None:
        assert apply("whitespace", before) == [after]


class TestRedditEntities:
    @given(
        st.one_of(documents, st.lists(st.sampled_from(["&", "amp;", "lt;", "gt;", ";", "x" * 60])).map("".join))
    )
    @settings(max_examples=500)
    def test_against_plain_python(self, text: str) -> None:
        signs = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
        assert apply("reddit-entities", text) == [re.sub("&(?:amp|lt|gt);", lambda m: signs[m[0]], text)]

    def test_nothing_else_is_an_entity_of_reddit(self) -> None:
        text = "&quot; &#39; &nbsp; &LT; &AMP; &lt &am"
        assert apply("reddit-entities", text) == [text]

    def test_it_undoes_one_escaping_and_so_may_run_once_only(self) -> None:
        assert apply("reddit-entities", "&amp;gt;") == ["&gt;"]
        assert apply("reddit-entities", "&gt;") == [">"]
        assert not set(EXTRACTION_RULES) & set(RULES)


UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
UNITS += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(number: int) -> str:
    if number >= 100:
        return "one hundred" + (f" and {in_words(number - 100)}" if number > 100 else "")
    if number < 20:
        return UNITS[number]
    return TENS[number // 10 - 2] + (f"-{UNITS[number % 10]}" if number % 10 else "")


def in_roman(number: int) -> str:
    digits = [("C", 100), ("XC", 90), ("L", 50), ("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1)]
    roman = ""
    for digit, value in digits:
        roman += digit * (number // value)
        number %= value
    return roman


class TestChapterHeadings:
    @pytest.mark.parametrize("number", [*range(1, 200), 399])
    def test_every_number_in_digits_roman_and_words(self, number: int) -> None:
        forms = [str(number), in_roman(number), in_roman(number).lower(), f"{number}."]
        forms += [in_words(number), in_words(number).upper()] if number < 200 else []
        assert apply("chapter-headings", *[f"Chapter {form}" for form in forms]) == [""] * len(forms)

    @pytest.mark.parametrize(
        "line",
        [
            *(
                "Chapter One",
                "CHAPTER XII.",
                "Chapter 3",
                "chapter twenty-two:",
                "Chapter Twenty Two",
                "chapter i .",
            ),
            *(
                "## Chapter 10",
                "###  CHAPTER VII.",
                "**Chapter 1**",
                "_CHAPTER II._",
                "== Chapter 4 ==",
                "  CHAPTER IX",
            ),
            *("CHAPTER THE FIRST", "Chapter the Twenty-First", "Chapter The Last", "CHAPTER XXXX", "CHAPTER I\r"),
        ],
    )
    def test_a_bare_heading_goes(self, line: str) -> None:
        assert apply("chapter-headings", f"before\n{line}\nafter", line) == ["before\n\nafter", ""]

    @pytest.mark.parametrize(
        "line",
        [
            *("Chapter 3: In Kharkov", "CHAPTER I. Home Again", "CHAPTER IV--THE LAIR", "Chapter Seventy - Go!"),
            *(
                "Chapter",
                "chapters 3",
                "chapter civil",
                "CHAPTER",
                "Chapter 12345",
                "Chapter 3 4",
                "See Chapter 3",
            ),
            *("The Chapter One", "chapter one of the book", "Chapter one hundred and", "in chapter", "Chapterone"),
        ],
    )
    def test_anything_more_stays(self, line: str) -> None:
        assert apply("chapter-headings", f"before\n{line}\nafter") == [f"before\n{line}\nafter"]

    def test_paragraphs_stay_apart(self) -> None:
        assert run("one\nCHAPTER II\ntwo\n\nCHAPTER III\n\nthree", *RULES) == "one\n\ntwo\n\nthree"


class TestGutenbergNotices:
    HEAD = "The Project Gutenberg EBook of Emma, by Jane Austen\n\n" + FOR_ANYONE + "\n\nTitle: Emma\n\n"
    BOOK = "EMMA\n\nEmma Woodhouse, handsome, clever, and rich.\n\nTHE END"
    LICENCE = "\n\nUpdated editions will replace the previous one.\n" + "Section 1. Terms of Use.\n" * 700

    @pytest.mark.parametrize(
        "start",
        [
            START,
            "*** START OF THIS PROJECT GUTENBERG EBOOK EMMA ***",
            "***START OF THE PROJECT GUTENBERG EBOOK EMMA***",
            "*** START OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK EMMA ***",
            "*** START OF THE PROJECT GUTENBERG EBOOK EMMA: A NOVEL\nIN THREE VOLUMES ***",
            "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\nWhy is this here?\n" + SMALL_PRINT,
            "*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.10/04/01*END*",
        ],
    )
    @pytest.mark.parametrize(
        "end",
        [
            END,
            "*** END OF THIS PROJECT GUTENBERG EBOOK EMMA ***",
            "***END OF THE PROJECT GUTENBERG EBOOK EMMA***",
            f"{PLAIN_END}\n\n{END}",
            PLAIN_END,
            "End of Project Gutenberg’s Emma, by Jane Austen",
            "End of Project Gutenberg's A Long Title of\nMany Words, by Jane Austen",
            "End of the Project Gutenberg EBook of Emma, by Jane Austen\n\n*** ",
            "End of The Project Gutenberg Etext of Emma",
            "End of Project Gutenberg's Etext of Emma",
            "END OF THE PROJECT GUTENBERG EDITION OF EMMA",
            "This is the end of the Project Gutenberg e-text of Emma.",
        ],
    )
    @pytest.mark.parametrize(
        "credit", ["", "\n\nProduced by Ann Other", f"\n\n{CREDIT}\n\n\nProduced by B. Other\n"]
    )
    def test_what_stands_around_a_book_goes(self, start: str, end: str, credit: str) -> None:
        text = f"{self.HEAD}{start}{credit}\n\n\n{self.BOOK}\n\n\n{end}{self.LICENCE}"
        assert run(text, *RULES) == self.BOOK
        assert run(text.replace("\n", "\r\n"), *RULES) == self.BOOK

    def test_two_books_in_one_text(self) -> None:
        text = f"{self.HEAD}{START}\n{self.BOOK}\n{END}{self.LICENCE}{self.HEAD}{START}\n{self.BOOK}\n{END}"
        assert run(text, *RULES) == f"{self.BOOK}\n\n{self.BOOK}"

    def test_pg19_keeps_only_the_credit_and_the_end(self) -> None:
        text = f"\n\nProduced by Ann Other\n\n\n{self.BOOK}\n\n\n{PLAIN_END}\n"
        assert run(text, *RULES) == self.BOOK

    def test_small_print_behind_the_book(self) -> None:
        text = f"{START}\n\n{self.BOOK}\n\n{END}\n\nWe need your donations.\n\n{SMALL_PRINT}\n"
        assert run(text, *RULES) == self.BOOK

    @pytest.mark.parametrize(
        "notice", [CREDIT, FOR_ANYONE, "This eBook by Project Gutenberg", "E-text prepared by PGDP.net"]
    )
    def test_a_paragraph_of_notice_goes_wherever_it_stands(self, notice: str) -> None:
        book = f"one\n\n{notice}\n\nGutenberg"
        assert run(book, *RULES) == "one\n\nGutenberg"

    @pytest.mark.parametrize(
        "text",
        [
            "I read it on Project Gutenberg, and the end of Project Gutenberg's terms, by the way, is long.",
            "Johannes Gutenberg was not the founder.\nProject Gutenberg is named after him.",
            "This ebook by Project Gutenberg is the best I know.",
            "So came the\nend of Project Gutenberg's first year, by the founder's count.",
            "Produced by Ann Other, directed by B. Other.\n\nA film about Project Gutenberg.",
            "one\nProduced by the Distributed Proofreading Team\ntwo",
            "I cut at the line `*** START OF THE PROJECT GUTENBERG EBOOK` and keep the rest.",
            "[Illustration]\n\nA plate of the Gutenberg press.",
            "Read all of THE SMALL PRINT! And then sign.",
            "Produced by Project Gutenberg\n" + "and one line more\n" * 8,
        ],
    )
    def test_a_mention_is_no_notice(self, text: str) -> None:
        assert apply("gutenberg-notices", text) == [text]

    def test_a_credit_that_runs_into_a_mark_is_none(self) -> None:
        assert run(f"Produced by Ann Other\n{PLAIN_END}\n\nDonate!", *RULES) == "Produced by Ann Other"

    def test_a_paragraph_of_eight_lines_is_the_longest_notice(self) -> None:
        assert run("Produced by Project Gutenberg\n" + "and one line more\n" * 7, *RULES) == ""

    def test_what_is_longer_than_a_notice_outlives_a_mark_that_it_quotes(self) -> None:
        article = "Some words on how files are made.\n" * 1000
        text = f"{article}\n{START}\n{article}\n{END}\n{article}"
        assert apply("gutenberg-notices", text) == [f"{article}\n\n{article}\n\n{article}"]


class TestVersions:
    """Sealed corpora name a rule by its version, so what a version gives must never move."""

    PROBE = (
        *PIECES,
        "".join(PIECES),
        "\n".join(PIECES),
        "\n\n".join(reversed(PIECES)),
        f"Gutenberg\n\n{START}\n\n{CREDIT}\n\nCHAPTER I.\n\nIt was late.\r\n\r\n\r\n{PLAIN_END}\n\n{END}\n",
        *(f"Chapter {form}" for n in (1, 4, 19, 40, 88, 110) for form in (n, in_roman(n), in_words(n))),
        *(
            "a" * 61 + chr(point) + " b"
            for point in (*range(0x100), *range(0x2000, 0x2070), 0x1680, 0x3000, 0xFEFF)
        ),
    )
    FROZEN = (
        ("whitespace", 1, "3d6ac121fe252711"),
        ("chapter-headings", 1, "ca9dcdcc37f5e70c"),
        ("gutenberg-notices", 1, "5b08881142274938"),
        ("reddit-entities", 1, "5ec11c7fd61f8ef3"),
    )

    @pytest.mark.parametrize(("rule", "version", "digest"), FROZEN)
    def test_output_moves_only_with_the_version(self, rule: str, version: int, digest: str) -> None:
        digest_now = hashlib.sha256()
        for text in (*self.PROBE, *apply(rule, *self.PROBE)):
            digest_now.update(text.encode() + b"\xff")  # a byte of no UTF-8 text
        assert ALL_RULES[rule].version == version, "freeze the digest of the new version here"
        assert digest_now.hexdigest()[:16] == digest, f"{rule} gives something else now: bump the version"

    def test_every_rule_is_frozen_and_described(self) -> None:
        assert {rule for rule, _, _ in self.FROZEN} == set(ALL_RULES)
        assert all(rule.description.endswith(".") for rule in ALL_RULES.values())

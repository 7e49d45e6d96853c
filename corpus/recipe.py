"""The recipe: all that decides a corpus, read strictly from TOML, frozen, and its digest.

A recipe names inputs (files and how they are read), the sources their records belong to (in rank order), and the
rules. What is not in the recipe cannot move the corpus: workers, engine, folders and dates are no part of it.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, cast

import msgspec
import rfc8785

from corpus.errors import RecipeError
from corpus.filters import FilterRules
from corpus.language import LanguageRules
from corpus.readers.crawl_time import crawl_time
from corpus.readers.record import FactName
from corpus.strict_toml import apply_override, convert, read_tree
from corpus.url_list import UrlList

OnDamage = Literal["stop", "keep-what-was-read"]
ReaderName = Literal[
    "arc",
    "book-corpus",
    "cc-news",
    "dm-mathematics",
    "gutenberg",
    "hacker-news",
    "jsonl",
    "news-please",
    "news-please-lines",
    "open-subtitles",
    "parquet",
    "pile",
    "reddit",
    "text",
    "text-blocks",
    "text-lines",
    "uspto",
    "wet",
    "wikipedia",
]

ONCE_PER_URL: Mapping[str, bool] = MappingProxyType(
    {"arc": True, "cc-news": True, "news-please": True, "news-please-lines": True, "wet": False}
)
"""The readers that know a record's URL, and whether by default a page of theirs is kept once."""


DUMPS: Mapping[str, str] = MappingProxyType({"reddit": "a thread", "hacker-news": "a story"})
"""The readers whose records are no documents by themselves, and what their records meet in."""


class Chain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a Reddit thread becomes a document (OPT, arXiv 2205.01068 section 2.3: "the longest chain of comments").

    Attributes:
        longest: What is counted; comments is the paper's wording.
        head: Whether the submission's title and text stand first; the paper speaks of comments alone.
        join: What stands between two comments (unpublished: our choice).
    """

    longest: Literal["comments", "characters"] = "comments"
    head: bool = False
    join: str = "\n\n"


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of one format, and which of their labels belong to which source.

    Attributes:
        name: Names the input in tables.
        reader: The raw format.
        files: Patterns below the data folder.
        sources: The reader's label (for the Pile, `pile_set_name`) -> a source's name; "*" is any label.
        text_field: Where JSON lines or Parquet rows hold the text; dots go into objects.
        label_field: Where they hold the label, or "" for none.
        facts: For JSON lines alone: url, date, language, licence or opt_out -> where a line holds it.
        chain: For Reddit alone.
        lines_per_document: For BookCorpus alone: its lines know no book (unpublished: our choice).
        extractor: For CC-News and ARC alone: the library that makes text of HTML.
        until: For these and news-please: the last second of crawl time (OPT: "through September 28, 2021").
        once_per_url: For `ONCE_PER_URL` and JSON lines that know a url: whether only the first of a URL stays,
            among inputs that ask for it.
        url_lists: For the same readers: what these lists name is dropped.
    """

    name: str
    reader: ReaderName
    files: tuple[str, ...]
    sources: dict[str, str]
    text_field: str = "text"
    label_field: str = ""
    chain: Chain = Chain()
    lines_per_document: int = 512
    extractor: Literal["resiliparse", "trafilatura"] = "resiliparse"
    until: str = "2021-09-28T23:59:59Z"
    facts: dict[FactName, str] | msgspec.UnsetType = msgspec.UNSET
    once_per_url: bool | msgspec.UnsetType = msgspec.UNSET
    url_lists: tuple[UrlList, ...] | msgspec.UnsetType = msgspec.UNSET

    def resolved(self) -> Input:
        """The input with its reader's own defaults; a reader that knows no URL has no key for them."""
        if self.reader not in ONCE_PER_URL:
            return self
        once = ONCE_PER_URL[self.reader] if self.once_per_url is msgspec.UNSET else self.once_per_url
        return msgspec.structs.replace(self, once_per_url=once, url_lists=self.url_lists or ())

    def naming(self) -> Input:
        """The input with its lists named, not located."""
        lists = tuple(msgspec.structs.replace(found, path="") for found in self.url_lists or ())
        return msgspec.structs.replace(self, url_lists=lists or self.url_lists)


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter or formatter of datatrove, as pipelines/datatrove_blocks.py admits it.

    Attributes:
        name: Which one.
        parameters: Those that are not to have the library's default.
    """

    name: str
    parameters: dict[str, Any] = {}


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to a text before it is compared: normalisation rules in order, filters, language, blocks."""

    normalise: tuple[str, ...] = ("whitespace",)
    filters: FilterRules = FilterRules()
    language: LanguageRules = LanguageRules()
    blocks: tuple[Block, ...] = ()


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source of the union: where it is from, and how its text is treated.

    The order of sources is their rank: of two duplicates the one from the earlier source stays.

    Attributes:
        text: Replaces the recipe's own `text` for this source.
    """

    name: str
    title: str = ""
    holder: str = ""
    licence: str = "NOASSERTION"
    url: str = ""
    status: str = ""
    text: Text | None = None


class Duplicates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Near-duplicates (OPT section 2.3: MinHashLSH with Jaccard similarity at or above .95; the rest is ours).

    Attributes:
        threshold_percent: Jaccard, in hundredths.
        ngram: Words in a shingle (unpublished: our choice).
        bands: Bands and rows of the signature, chosen for recall at the threshold (unpublished: our choice).
        rows: Rows in a band.
        seed: Draws the permutations.
        policy: "direct": dropped only for a kept document this similar; "component": one stays per component.
    """

    threshold_percent: int = 95
    ngram: int = 5
    bands: int = 6
    rows: int = 8
    seed: int = 1
    policy: Literal["direct", "component"] = "direct"


class Validation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The held-out split: about 200 MB, in proportion to the sources' sizes (OPT, arXiv 2205.01068 appendix C).

    Attributes:
        bytes: Of text, in all.
        max_percent: Of all text, so that a small corpus is not held out whole (unpublished: our choice).
    """

    bytes: int = 200_000_000
    max_percent: int = 10


class Tokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How text becomes shards.

    Attributes:
        vocabulary: "gpt2", or the path of OPT's own gpt2-vocab.json.
        shard_bytes: The most a shard's .bin may hold.
    """

    vocabulary: str = "gpt2"
    shard_bytes: int = 256_000_000


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole recipe, with every default filled in.

    Attributes:
        name: With `version`, what the sealed corpus is called.
        seed: Keys the order of documents and the choice of validation.
        on_damage: What a truncated or corrupt file does to the build.
        max_record_bytes: A longer record is a damaged one; bounds the memory of a reader.
        input: The files.
        source: The sources, in rank order.
        text: The treatment of sources that state none of their own.
    """

    name: str
    version: str
    description: str = ""
    seed: int = 2205
    on_damage: OnDamage = "stop"
    max_record_bytes: int = 64 << 20
    input: tuple[Input, ...]
    source: tuple[Source, ...]
    text: Text = Text()
    duplicates: Duplicates = Duplicates()
    validation: Validation = Validation()
    tokens: Tokens = Tokens()

    def text_of(self, source: str) -> Text:
        """The treatment of a source's text."""
        return next(s.text or self.text for s in self.source if s.name == source)

    def without(self, left_out: Sequence[str]) -> Recipe:
        """The recipe of the union without some sources, which its version then says: `1.0.0+without.stories`.

        Inputs that fed nothing else go with them; of the others' files those records are not chosen.

        Raises:
            RecipeError: It has no such source, or no other, or another would get the records of one.
        """
        known = [source.name for source in self.source]
        for name in left_out:
            if name not in known:
                near = (difflib.get_close_matches(name, known, n=1) or [", ".join(known)])[0]
                raise RecipeError(
                    f"the recipe has no source `{name}`", where=f"--without {name}", remedy=f"choose: {near}"
                )
        gone = [name for name in known if name in left_out]
        if len(gone) == len(known):
            raise RecipeError("nothing would be left", where="--without", remedy="leave a source in")
        if not gone:
            return self
        for entry in self.input:
            heir = entry.sources.get("*", gone[0])
            if heir not in gone and any(name in gone for name in entry.sources.values()):
                raise RecipeError(
                    f"input `{entry.name}` would give the records of what is left out to `{heir}`",
                    where="--without",
                    remedy=f'name its labels instead of "*" in the recipe, or leave out `{heir}` too',
                )
        fed = (
            msgspec.structs.replace(
                entry, sources={label: name for label, name in entry.sources.items() if name not in gone}
            )
            for entry in self.input
        )
        return msgspec.structs.replace(
            self,
            version=f"{self.version}{'.' if '+' in self.version else '+'}without.{'.'.join(gone)}",
            input=tuple(entry for entry in fed if entry.sources),
            source=tuple(source for source in self.source if source.name not in gone),
        )

    def naming(self, vocabulary: str) -> Recipe:
        """The recipe with its files named, not located: where a file lies is no part of a corpus."""
        tokens = msgspec.structs.replace(self.tokens, vocabulary=vocabulary)
        return msgspec.structs.replace(self, tokens=tokens, input=tuple(entry.naming() for entry in self.input))

    def canonical(self) -> dict[str, Any]:
        """The resolved recipe as plain JSON values: what the manifest holds."""
        return cast("dict[str, Any]", msgspec.to_builtins(self))

    def digest(self) -> str:
        """sha256 of the resolved recipe in canonical JSON (RFC 8785), as 64 hex digits."""
        return hashlib.sha256(rfc8785.dumps(self.canonical())).hexdigest()


def load_recipe(path: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe and applies `--set key=value` overrides.

    Raises:
        RecipeError: No such file, not TOML, an unknown key (the nearest one is named), a wrong type or value.
    """
    tree = read_tree(path, "recipe", "name one of workflows/recipes/*.toml with --recipe")
    for override in overrides:
        apply_override(tree, override)
    recipe = convert(tree, Recipe, path, "recipe")
    _check(recipe, path)
    return msgspec.structs.replace(recipe, input=tuple(entry.resolved() for entry in recipe.input))


def with_overrides(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """A resolved recipe with some keys set to other values, as `--set` gives them.

    Raises:
        RecipeError: An unknown key, a wrong type or value.
    """
    tree = cast("dict[str, Any]", _stated(recipe.canonical()))
    for override in overrides:
        apply_override(tree, override)
    changed = convert(tree, Recipe, "--set", "recipe")
    _check(changed, "--set")
    return msgspec.structs.replace(changed, input=tuple(entry.resolved() for entry in changed.input))


def _stated(value: Any) -> Any:
    """A tree without the keys that hold nothing, which TOML has no word for."""
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items() if inner is not None}
    return [_stated(inner) for inner in value] if isinstance(value, list | tuple) else value


def _check(recipe: Recipe, path: str) -> None:
    """What types cannot say.

    Raises:
        RecipeError: The first thing that is wrong.
    """
    for what, remedy in (
        *_wrong_names(recipe),
        *_wrong_sources(recipe),
        *_wrong_dumps(recipe),
        *_wrong_crawls(recipe),
        *_wrong_values(recipe),
    ):
        raise RecipeError(what, where=path, remedy=remedy)


def _wrong_names(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for name in [recipe.name, *(source.name for source in recipe.source)]:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
            yield f"`{name}` cannot name files", "use lower-case letters, digits, dots and dashes"
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+-]*", recipe.version):
        yield f"version `{recipe.version}` cannot name a ref", "write it like 1.0.0"
    for kind, found in (("source", recipe.source), ("input", recipe.input)):
        names = [entry.name for entry in found]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"two {kind}s are called {name}", f"give every {kind} a name of its own"


def _wrong_sources(recipe: Recipe) -> Iterator[tuple[str, str]]:
    names = [source.name for source in recipe.source]
    used = [name for entry in recipe.input for name in entry.sources.values()]
    for name in used:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1) or [name]
            yield f"an input gives records to an unknown source `{name}`", f"declare [[source]] name = '{near[0]}'"
    for name in names:
        if name not in used:
            yield f"no input gives records to source `{name}`", "remove it, or name it in an input's `sources`"


def _wrong_dumps(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for reader, what in DUMPS.items():
        found = [entry for entry in recipe.input if entry.reader == reader]
        if len(found) > 1:
            yield (
                f"two inputs read {reader}",
                f"make them one: {what} lies in many files, and one rule makes its document",
            )
        for entry in found:
            if list(entry.sources) != ["*"]:
                yield f"input `{entry.name}`: {what} has no label", f'write sources = {{ "*" = "{reader}" }}'


def _wrong_crawls(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for entry in recipe.input:
        if entry.until and crawl_time(entry.until) != entry.until:
            yield f"input `{entry.name}`: until is no second of UTC", 'write until = "2021-09-28T23:59:59Z"'
        said = {entry.once_per_url, entry.url_lists} != {msgspec.UNSET}
        if entry.facts and entry.reader != "jsonl":
            yield f"input `{entry.name}`: {entry.reader} knows its own facts", "remove `facts`: it is for jsonl"
        if entry.reader not in ONCE_PER_URL and said and "url" not in (entry.facts or {}):
            yield f"input `{entry.name}`: {entry.reader} knows no URL", "remove once_per_url and url_lists"


def _wrong_values(recipe: Recipe) -> Iterator[tuple[str, str]]:
    duplicates = recipe.duplicates
    if not 1 <= duplicates.threshold_percent <= 100:
        yield "duplicates.threshold_percent is not within 1 to 100", "write 95 for a Jaccard of .95"
    if not 0 <= recipe.validation.max_percent <= 100:
        yield "validation.max_percent is not within 0 to 100", "write 10 for a tenth"
    if min(duplicates.bands, duplicates.rows, duplicates.ngram) < 1:
        yield "duplicates: bands, rows and ngram are at least 1", "mend [duplicates]"
    if recipe.tokens.shard_bytes < 1 or recipe.validation.bytes < 0 or recipe.max_record_bytes < 1:
        yield "a size in bytes is negative or zero", "mend shard_bytes, validation.bytes or max_record_bytes"

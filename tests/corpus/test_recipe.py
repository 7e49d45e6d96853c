"""Recipes: strict, frozen, every mistake named with what to do; the digest is of what decides a corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import RecipeError, SourceError
from corpus.recipe import Recipe, load_recipe
from corpus.source import Blob, Pins, check_pins, encode_pins, find_blobs, read_pins

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
name = "small"
version = "1"
[[input]]
name = "own"
reader = "jsonl"
files = ["**/*.jsonl", "more/?.gz"]
sources = { "*" = "own" }
[[source]]
name = "own"
"""


def load(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text)
    return load_recipe(str(path), overrides)


@pytest.mark.parametrize("name", ["opt", "opt-lawful", "sample", "bulk", "every-format"])
def test_our_recipes_load(name: str) -> None:
    assert load_recipe(str(ROOT / f"workflows/recipes/{name}.toml")).name


def test_the_sample_treats_text_as_opt_does() -> None:
    opt, sample = (load_recipe(str(ROOT / f"workflows/recipes/{name}.toml")) for name in ("opt", "sample"))
    opt = opt.without(["bookcorpus", "cc-stories", "ccnews"])
    assert [source.name for source in opt.source] == [source.name for source in sample.source]
    assert (opt.text, opt.duplicates, opt.input) == (sample.text, sample.duplicates, sample.input)


def test_the_lawful_union_follows_the_papers_rules() -> None:
    opt, lawful = (load_recipe(str(ROOT / f"workflows/recipes/{name}.toml")) for name in ("opt", "opt-lawful"))
    assert (opt.text, opt.duplicates, opt.tokens) == (lawful.text, lawful.duplicates, lawful.tokens)
    assert (opt.validation, opt.seed) == (lawful.validation, lawful.seed)
    assert {entry.until for entry in opt.input if entry.reader == "cc-news"} == {"2021-09-28T23:59:59Z"}


def test_a_union_without_a_source_says_so_in_its_version() -> None:
    opt = load_recipe(str(ROOT / "workflows/recipes/opt.toml"))
    less = opt.without(["cc-stories", "wikipedia"])
    assert less.version == "1.0.0+without.wikipedia.cc-stories"
    assert [entry.name for entry in less.input] == ["bookcorpus", "ccnews", "pile", "reddit"]
    pile = next(entry for entry in less.input if entry.name == "pile")
    assert "wikipedia" not in pile.sources.values() and len(pile.sources) == 7
    assert less.without(["reddit"]).version == "1.0.0+without.wikipedia.cc-stories.without.reddit"
    assert opt.without([]) is opt
    with pytest.raises(RecipeError, match="choose: cc-stories"):
        opt.without(["cc-storys"])
    with pytest.raises(RecipeError, match="nothing would be left"):
        opt.without([source.name for source in opt.source])


def test_what_is_left_out_does_not_change_hands(tmp_path: Path) -> None:
    text = SMALL.replace('{ "*" = "own" }', '{ x = "xs", "*" = "own" }') + '[[source]]\nname = "xs"\n'
    with pytest.raises(RecipeError, match="would give the records"):
        load(tmp_path, text).without(["xs"])
    assert [source.name for source in load(tmp_path, text).without(["own"]).source] == ["xs"]


def test_defaults_are_part_of_the_digest_and_comments_are_not(tmp_path: Path) -> None:
    plain = load(tmp_path, SMALL)
    spelt = load(tmp_path, "# said\n" + SMALL + "[duplicates]\nthreshold_percent = 95\n")
    assert plain.digest() == spelt.digest()
    assert load(tmp_path, SMALL, "duplicates.threshold_percent=94").digest() != plain.digest()


def test_what_a_reader_asks_of_urls_is_resolved_and_where_a_list_lies_is_no_identity(tmp_path: Path) -> None:
    assert "once_per_url" not in load(tmp_path, SMALL).canonical()["input"][0]
    crawl = SMALL.replace("jsonl", "cc-news", 1)
    plain = load(tmp_path, crawl)
    assert (plain.input[0].once_per_url, plain.input[0].url_lists) == (True, ())
    assert load(tmp_path, crawl, "input.own.once_per_url=true").digest() == plain.digest()
    assert load(tmp_path, crawl, "input.own.once_per_url=false").digest() != plain.digest()
    listing = 'input.own.url_lists=[{path="%s",sha256="%s"}]'
    here, there, other = (
        load(tmp_path, crawl, listing % (path, digest * 64)).naming("gpt2")
        for path, digest in (("here", "a"), ("there", "a"), ("there", "b"))
    )
    assert here.digest() == there.digest()
    assert len({plain.digest(), here.digest(), other.digest()}) == 3


def test_overrides_reach_any_key(tmp_path: Path) -> None:
    recipe = load(
        tmp_path,
        SMALL,
        "text.filters.min_words=40",
        "source.own.licence=CC-BY-4.0",
        "input.own.text_field=body.text",
        "version=2.0",
        "text.normalise=['whitespace', 'chapter-headings']",
    )
    assert recipe.text.filters.min_words == 40
    assert recipe.source[0].licence == "CC-BY-4.0"
    assert recipe.input[0].text_field == "body.text"
    assert recipe.version == "2.0"
    assert recipe.text_of("own").normalise == ("whitespace", "chapter-headings")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("name = \"own\"\nreader", "nam = \"own\"\nreader"), "did you mean `name`"),
        (("\"jsonl\"", "\"json\""), "json"),
        (("\"*\" = \"own\"", "\"*\" = \"owen\""), "unknown source `owen`"),
        (("version = \"1\"", "version = \"a b\""), "cannot name a ref"),
        (("[[source]]\nname = \"own\"", "[[source]]\nname = \"Own\""), "cannot name files"),
        (("[[source]]", "[[source]]\nname = \"idle\"\n[[source]]"), "no input gives records to source `idle`"),
        (("\"jsonl\"", "\"reddit\"\nchain = { longest = \"words\" }"), "longest"),
        (("\"*\" = \"own\" }", "\"*\" = \"own\" }\nonce_per_url = true"), "knows no URL"),
        (("\"*\" = \"own\" }", "\"*\" = \"own\" }\nfacts = { author = \"by\" }"), "author"),
        (("\"jsonl\"", "\"text\"\nfacts = { url = \"u\" }"), "knows its own facts"),
        (("name = \"small\"", "name = small"), "not TOML"),
        (("\"jsonl\"", "\"jsonl\"\nonce_per_url = false"), "jsonl knows no URL"),
        (("\"jsonl\"", "\"cc-news\"\nonce_per_urls = true"), "did you mean `once_per_url`"),
        (("\"jsonl\"", "\"cc-news\"\nurl_lists = [{ path = \"a\", sha = \"b\" }]"), "did you mean `sha256`"),
        (("\"jsonl\"", "\"cc-news\"\nuntil = \"2021-09-28\""), "until is no second of UTC"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, SMALL.replace(*change))
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("reader", ["reddit", "hacker-news"])
def test_what_meets_in_a_document_is_one_input_without_labels(tmp_path: Path, reader: str) -> None:
    one = SMALL.replace('"jsonl"', f'"{reader}"')
    assert load(tmp_path, one).input[0].reader == reader
    two = f'{one}[[input]]\nname = "more"\nreader = "{reader}"\nfiles = ["y/*"]\nsources = {{ "*" = "own" }}\n'
    with pytest.raises(RecipeError, match=f"two inputs read {reader}"):
        load(tmp_path, two)
    with pytest.raises(RecipeError, match="has no label"):
        load(tmp_path, one.replace('"*" =', '"Github" ='))


def test_files_are_found_by_pattern_once_each_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "x/a.jsonl", "x/y/z.jsonl", "more/1.gz", "more/22.gz", "x/skip.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    blobs = find_blobs(load(tmp_path, SMALL), str(tmp_path)).blobs
    assert [blob.path for blob in blobs] == ["b.jsonl", "more/1.gz", "x/a.jsonl", "x/y/z.jsonl"]
    assert blobs[0].size == 7


def test_pins_are_read_back_and_hold_the_files(tmp_path: Path) -> None:
    recipe = load(tmp_path, SMALL)
    blobs = (Blob("own", "a.jsonl", 3, "aa"), Blob("own", "b.jsonl", 4, "bb"))
    (tmp_path / "pins.json").write_bytes(encode_pins(recipe, blobs))
    pins = read_pins(str(tmp_path / "pins.json"))
    assert isinstance(pins, Pins)
    found = tuple(Blob(blob.input, blob.path, blob.size) for blob in blobs)
    assert check_pins(found, pins, "pins.json") == blobs
    for wrong, words in (
        ((*found, Blob("own", "c.jsonl", 1)), "does not name"),
        (found[:1], "missing"),
        ((found[0], Blob("own", "b.jsonl", 5)), "5 bytes"),
    ):
        with pytest.raises(SourceError, match=words):
            check_pins(wrong, pins, "pins.json")
    assert read_pins(str(tmp_path / "absent.json")) is None

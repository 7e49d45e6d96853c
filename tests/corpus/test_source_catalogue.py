"""What is known of sources: read strictly, complete for our recipes, and never in doubt about what is lawful."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import RecipeError
from corpus.recipe import load_recipe
from corpus.source_catalogue import Catalogue, ListAt, load_catalogue

RECIPES = Path(__file__).resolve().parents[2] / "workflows" / "recipes"
OURS = RECIPES / "catalogue.toml"


@pytest.fixture(scope="module")
def ours() -> Catalogue:
    return load_catalogue(str(OURS))


@pytest.mark.parametrize("name", ["opt", "opt-lawful"])
def test_every_source_of_the_unions_is_known(ours: Catalogue, name: str) -> None:
    recipe = load_recipe(str(RECIPES / f"{name}.toml"))
    for source in recipe.source:
        known = ours.of(source)
        assert known is not None, source.name
        assert source.licence in (known.licence, "NOASSERTION")


def test_all_of_the_lawful_union_is_public(ours: Catalogue) -> None:
    for source in load_recipe(str(RECIPES / "opt-lawful.toml")).source:
        known = ours.of(source)
        assert known is not None and known.status == "public" and known.at


def test_what_cannot_be_had_says_what_may_stand_in_its_place(ours: Catalogue) -> None:
    for entry in (*ours.collection, *ours.source):
        if entry.status != "public":
            assert entry.substitute_note, entry.name
        assert (entry.licence == "NOASSERTION") or entry.licence_url, entry.name


def test_only_the_form_of_a_source_is_not_the_source(ours: Catalogue) -> None:
    sample = load_recipe(str(RECIPES / "sample.toml"))
    assert [ours.of(source) for source in sample.source] == [None] * len(sample.source)


def test_an_input_of_many_sources_is_held_by_their_collection(ours: Catalogue) -> None:
    opt = load_recipe(str(RECIPES / "opt.toml"))
    held = {entry.name: [it.name for it in ours.held_by(entry, opt.source)] for entry in opt.input}
    assert held == {
        "bookcorpus": ["bookcorpus"],
        "stories": ["cc-stories"],
        "ccnews": ["ccnews"],
        "pile": ["the-pile"],
        "reddit": ["pushshift"],
    }
    sample = load_recipe(str(RECIPES / "sample.toml"))
    assert not any(ours.held_by(entry, sample.source) for entry in sample.input)


def test_lists_of_months_cross_years() -> None:
    at = ListAt(
        url="https://host/{year}/{month}",
        prefix="https://host/",
        folder="a",
        first_month="2019-11",
        last_month="2020-02",
    )
    assert [url[-7:] for url in at.urls()] == ["2019/11", "2019/12", "2020/01", "2020/02"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('status = "withdrawn"', 'status = "lost"'), "Invalid enum value"),
        (('holder = "EleutherAI', 'holdr = "EleutherAI'), "did you mean `holder`"),
        (('part_of = "the-pile"', 'part_of = "the-pille"'), "write `the-pile`"),
        (('substitute = ["pg19"]', 'substitute = ["reddit"]'), "not public"),
        (('name = "cc-stories"', 'name = "bookcorpus"'), "two entries are called bookcorpus"),
        (('"https://data.commoncrawl.org/"', '"ftp://data.commoncrawl.org/"'), "is fetched from ftp"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    text = OURS.read_text(encoding="utf-8")
    assert change[0] in text
    wrong = tmp_path / "catalogue.toml"
    wrong.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(RecipeError, match=words):
        load_catalogue(str(wrong))

"""The language of a text: the library's answer from its own tables, whole numbers, alone as in any batch."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.errors import RecipeError
from corpus.language import NOT_ASKED, SEEN_BYTES, LanguageRules, describe, identify, labels

library = pytest.importorskip("py3langid.langid", reason="the extra `language` is not installed")

# Universal Declaration of Human Rights, article 1, first sentence.
ARTICLE = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "zh": "人人生而自由，在尊严和权利上一律平等。",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "ar": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.",
}
CODE = "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }"
MARGIN = 0.01  # of one: the library's 32-bit sums and ours in whole numbers are nearer than this

words = st.sampled_from([word for sentence in [*ARTICLE.values(), CODE] for word in sentence.split()])
mixtures = st.lists(words, min_size=1, max_size=60).map(" ".join)
# Composed, and not all capitals beyond ASCII: the library asks Unicode tables for these two, the rule asks none.
anything = st.text(st.characters(codec="ascii"), max_size=200)
documents = st.one_of(mixtures, mixtures, st.sampled_from([*ARTICLE.values(), CODE]), anything)


def found(*texts: str, keep: tuple[str, ...] = ("en",)) -> list[tuple[int, int]]:
    answer = identify(Texts.from_list([text.encode() for text in texts]), keep)
    return list(zip(answer.language.tolist(), answer.percent.tolist(), strict=True))


@pytest.fixture(scope="module")
def theirs() -> library.LanguageIdentifier:
    return library.LanguageIdentifier.from_model_file(library.MODEL_FILE, norm_probs=True)


@given(document=documents)
def test_the_answer_is_the_librarys(document: str, theirs: library.LanguageIdentifier) -> None:
    if not library.visit_counts(theirs.tk_nextmove, theirs._rowbase, theirs.tk_output, theirs._encode(document)):
        assert found(document) == [(NOT_ASKED, 0)]
        return
    ranking = theirs.rank(document)
    shares = dict(ranking)
    ((language, percent),) = found(document)
    assert shares[labels()[language]] >= ranking[0][1] - MARGIN
    assert 100 * (shares["en"] - MARGIN) < percent + 1
    assert percent <= 100 * (shares["en"] + MARGIN)


def test_every_language_is_known() -> None:
    assert [labels()[language] for language, _ in found(*ARTICLE.values())] == list(ARTICLE)


def test_english_is_kept_and_nothing_else() -> None:
    percents = dict(zip(ARTICLE, (percent for _, percent in found(*ARTICLE.values())), strict=True))
    assert percents.pop("en") > 90
    assert max(percents.values()) < 5


def test_the_wanted_languages_are_added_up() -> None:
    text = ARTICLE["en"] + " " + ARTICLE["nl"]
    alone = [found(text, keep=(code,))[0][1] for code in ("en", "nl")]
    assert sum(alone) <= found(text, keep=("en", "nl"))[0][1] <= sum(alone) + 1
    assert found(text, keep=tuple(labels()))[0][1] == 100


@given(batch=st.lists(documents, min_size=1, max_size=6), data=st.data())
def test_a_text_alone_is_what_it_is_in_any_batch(batch: list[str], data: st.DataObject) -> None:
    together = found(*batch)
    assert [found(text)[0] for text in batch] == together
    order = data.draw(st.permutations(range(len(batch))))
    assert found(*(batch[i] for i in order)) == [together[i] for i in order]


def test_only_the_beginning_is_seen_and_no_character_is_cut() -> None:
    english, russian = (ARTICLE[code] + " " for code in ("en", "ru"))
    head = (english * 100).encode()[:SEEN_BYTES].decode()
    assert found(head + russian * 100) == found(head)
    for before in range(4):
        seen = " " * before + russian * 100
        cut = seen.encode()[:SEEN_BYTES].decode(errors="ignore")
        assert found(seen) == found(cut)


def test_capitals_say_what_small_letters_say() -> None:
    assert found(ARTICLE["en"].upper()) == found(ARTICLE["en"].lower())


def test_a_text_without_a_word_has_no_language() -> None:
    assert found("", " \n ") == [(NOT_ASKED, 0)] * 2


def test_no_question_no_answer() -> None:
    assert found(*ARTICLE.values(), keep=()) == [(NOT_ASKED, NOT_ASKED)] * len(ARTICLE)


# Sealed in ledgers: what moves these raises the version of the rule, or is another release of the library.
def test_the_answers_are_frozen() -> None:
    texts = [ARTICLE["en"], ARTICLE["de"], CODE, "lol no", "Danke, thanks a lot for the Weltanschauung"]
    answers = [(labels()[language], percent) for language, percent in found(*texts)]
    assert answers == [("en", 97), ("de", 0), ("nn", 1), ("fuv", 0), ("en", 87)]


def test_an_unknown_language_is_named_with_its_neighbour() -> None:
    with pytest.raises(RecipeError, match="did you mean `en`"):
        found("text", keep=("eng",))


def test_the_manifest_can_read_the_ledger() -> None:
    said = describe(["en"])
    assert said["labels"] == list(labels())
    assert len(said["model"]) == 64


def test_every_weight_is_a_whole_number_of_512ths(theirs: library.LanguageIdentifier) -> None:
    weights = np.asarray(theirs.nb_ptc, np.float64) * 512
    assert np.array_equal(weights, np.rint(weights))
    # A product of the kernel, the largest logarithm times the largest weight, has 32 bits.
    assert np.abs(weights).max() * np.ceil(np.log1p(SEEN_BYTES) * 4096) < 2**31


@pytest.mark.parametrize("recipe", [b'{"min_percent": 101}', b'{"min_percent": -1}', b'{"kept": ["en"]}'])
def test_a_wrong_rule_is_refused(recipe: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(recipe, type=LanguageRules)


def test_without_the_library_the_error_says_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['py3langid'] = None\n"
        "from corpus.document import Texts; from corpus.language import identify\n"
        "identify(Texts.from_list([b'text']), ())\n"
        "identify(Texts.from_list([b'text']), ['en'])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'tokentrail[language]'" in run.stderr

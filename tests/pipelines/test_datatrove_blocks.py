"""datatrove's blocks: what is admitted says the same alone as in any batch, and what datatrove itself says."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.errors import RecipeError
from corpus.recipe import Block
from pipelines.block_list import ADMITTED, REFUSED
from pipelines.datatrove_blocks import NO_BLOCK, describe, pass_blocks

pytest.importorskip("datatrove", reason="the extra `datatrove` is not installed")
pytest.importorskip("spacy", reason="the extra `datatrove` is not installed")


ROOT = Path(__file__).resolve().parents[2]
REQUIRED = {"regex": {"regex_exp": "(?i)lorem"}}
# Mild thresholds, so that short documents come upon every rule.
MILD = {
    "gopher-quality": {"min_doc_words": 4, "max_doc_words": 60, "min_stop_words": 1},
    "c4-quality": {"min_num_sentences": 2, "max_word_length": 30},
    "fineweb-quality": {"char_duplicates_ratio": 0.1},
    **REQUIRED,
}
NAMES = list(ADMITTED)

lines = st.sampled_from(
    [
        "The cat and the dog went to the house of a friend.",
        "The cat and the dog went to the house of a friend.",
        "- a point, and then",
        "• another point ...",
        "Read more…",
        "# # # # #",
        "12 34 56 78 % & 90",
        "----------",
        "Write to anna@example.net or berta@example.net from 8.8.8.8 and 10.0.0.1 to 9.9.9.9.",
        "The lorem ipsum of it.",
        "Please turn javascript on.",
        "if (a) { b }",
        "This site uses cookies. It has a privacy policy.",
        "Donaudampfschifffahrtsgesellschaftskapitän of the fleet.",
        "The song says doo doo doo doo doo doo doo doo doo doo doo doo.",
        "cafÃ© and â€œquotesâ€\x9d of the old web.",
        "a",
        "IS_ALPHA",
        "\x1b[31mred\x1b[0m \u3000 \ufeff",
        "",
    ]
)
documents = st.one_of(
    st.lists(lines, min_size=1, max_size=12).map("\n".join),
    st.lists(lines, min_size=1, max_size=8).map("\n\n".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


def answers(name: str, *texts: str, **parameters: Any) -> list[tuple[str, str]]:
    """For each text what became of it, and the reason in words, or ""."""
    block = Block(name=name, parameters=MILD.get(name, {}) | parameters)
    passed = pass_blocks(Texts.from_list([text.encode() for text in texts]), (block,))
    reasons = [*describe([[block]])["blocks"][0][0]["reasons"], ""]
    assert ((passed.block == NO_BLOCK) == (passed.reason == NO_BLOCK)).all()
    return [(text.decode(), reasons[reason]) for text, reason in zip(passed.texts, passed.reason, strict=True)]


def library_class(name: str) -> type:
    module, kind = ADMITTED[name].path
    return getattr(importlib.import_module(f"datatrove.pipeline.{module}"), kind)


@functools.cache
def library_block(name: str) -> Any:
    fixed = {"email_replacement": "email@example.com", "ip_replacement": "22.214.171.124"} if name == "pii" else {}
    return library_class(name)(**MILD.get(name, {}), **fixed, **ADMITTED[name].fixed)


def directly(name: str, text: str) -> tuple[str, str]:
    """What the library answers when it runs its own pipeline over this one document."""
    from datatrove.data import Document

    document = Document(text=text, id="")
    block = library_block(name)
    try:
        kept = list(block.run(iter([document])))
    except (ArithmeticError, AssertionError):
        return text, "could not judge"
    if kept:
        return kept[0].text, ""
    answer = block.filter(Document(text=text, id=""))
    return document.text, answer[1] if isinstance(answer, tuple) else "refused"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(text=documents)
def test_the_answer_is_datatroves(name: str, text: str) -> None:
    assert answers(name, text) == [directly(name, text)]


@pytest.mark.parametrize("name", NAMES)
@given(batch=st.lists(documents, min_size=2, max_size=5), data=st.data())
@settings(max_examples=30)
def test_a_document_alone_is_what_it_is_in_any_batch(name: str, batch: list[str], data: st.DataObject) -> None:
    together = answers(name, *batch)
    assert [answers(name, text)[0] for text in batch] == together
    order = data.draw(st.permutations(range(len(batch))))
    assert answers(name, *(batch[i] for i in order)) == [together[i] for i in order]


SPECIMENS = [
    "The cat and the dog went to the house of a friend.\n" * 3,
    "Write to anna@example.net, then berta@example.net, from 8.8.8.8 and 9.9.9.9 to the end.",
    "- a point\n- another point\n----------\nThe end of the list.",
    "cafÃ© of the old web, with the lorem of it.",
]


def test_a_fresh_process_gives_the_same() -> None:
    program = (
        "import json, sys; sys.path.insert(0, 'tests/pipelines')\n"
        "from test_datatrove_blocks import NAMES, SPECIMENS, answers\n"
        "print(json.dumps([answers(name, *reversed(SPECIMENS)) for name in reversed(NAMES)]))\n"
    )
    env = {**os.environ, "PYTHONHASHSEED": "77", "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, env=env)
    fresh = [[tuple(answer) for answer in block[::-1]] for block in json.loads(run.stdout)[::-1]]
    assert fresh == [answers(name, *SPECIMENS) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_the_librarys(name: str) -> None:
    admitted = ADMITTED[name]
    theirs = inspect.signature(library_class(name).__init__).parameters
    assert {*admitted.parameters, *admitted.fixed} <= set(theirs)
    for key, ours in admitted.parameters.items():
        default = theirs[key].default
        if key == "stop_words":
            default = tuple(importlib.import_module(library_class(name).__module__).STOP_WORDS)
        if name == "pii" and isinstance(default, tuple):
            default = default[0]
        assert ours == (None if default is inspect.Parameter.empty else default), key


@pytest.mark.parametrize("name", NAMES)
def test_every_reason_in_the_librarys_source_is_listed(name: str) -> None:
    source = inspect.getsource(library_class(name))
    written = re.findall(r'return False, f?"(.+?)"', source)
    filled = []
    for reason in written:
        if "{n}" in reason:
            parameter = "top_n_grams" if reason.startswith("top") else "dup_n_grams"
            filled += [reason.replace("{n}", str(n)) for n, _ in ADMITTED[name].parameters[parameter]]
        else:
            filled.append(reason.replace("{self.min_paragraphs}", "3"))
    block = Block(name=name, parameters=REQUIRED.get(name, {}))
    listed = describe([[block]])["blocks"][0][0]["reasons"]
    assert listed[:2] == ["refused", "could not judge"]
    assert sorted(listed[2:]) == sorted(set(filled))


def test_every_filter_of_the_library_is_admitted_or_refused() -> None:
    filters = importlib.import_module("datatrove.pipeline.filters")
    formatters = importlib.import_module("datatrove.pipeline.formatters")
    theirs = [name for module in (filters, formatters) for name in vars(module) if name[0].isupper()]
    assert len(theirs) == len(ADMITTED) + len(REFUSED)


def test_blocks_run_in_order_and_the_first_that_refuses_ends_it() -> None:
    blocks = (Block(name="symbol-lines"), Block(name="regex", parameters={"regex_exp": "--"}), Block(name="pii"))
    texts = Texts.from_list([b"a\n----\nmail a@b.example", b"a -- b, mail a@b.example"])
    passed = pass_blocks(texts, blocks)
    assert list(passed.texts) == [b"a\nmail email@example.com", b"a -- b, mail a@b.example"]
    assert passed.block.tolist() == [NO_BLOCK, 1]
    assert passed.reason.tolist() == [NO_BLOCK, 0]


def test_a_text_that_a_block_cannot_judge_is_one_row() -> None:
    assert answers("gopher-quality", "\u3000", min_doc_words=0) == [("\u3000", "could not judge")]


# Why the others are refused.


def test_the_sampler_depends_on_the_documents_before() -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import SamplerFilter

    sampler = SamplerFilter(rate=0.5, seed=1)
    assert len({sampler.filter(Document(text="the same", id="0")) for _ in range(50)}) == 2


def test_bad_words_draw_from_a_running_generator() -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4BadWordsFilter

    words = C4BadWordsFilter(keep_fraction=0.5, seed=1)
    words._badwords_regex["en"] = re.compile("bad")  # in the place of the list it would fetch
    assert len({words.filter(Document(text="bad", id="0")) for _ in range(50)}) == 2


def test_several_replacements_are_given_out_in_turn() -> None:
    from datatrove.pipeline.formatters import PIIFormatter

    formatter = PIIFormatter()
    assert formatter.format("to a@b.example") != formatter.format("to a@b.example")
    with pytest.raises(RecipeError, match="email_replacement"):
        describe([[Block(name="pii", parameters={"email_replacement": ["one@a.example", "two@a.example"]})]])


FETCHERS = {
    "c4-badwords": "C4BadWordsFilter()",
    "language": "LanguageFilter()",
    "fasttext": "FastTextClassifierFilter('https://host.invalid/model.bin', keep_labels=('a', 0.5))",
    "unigram-log-probs": "UnigramLogProbFilter()",
    "url": "URLFilter(use_integrated_lists=False)",
}


@pytest.mark.parametrize("name", FETCHERS)
def test_what_fetches_is_caught_in_the_act(name: str, tmp_path: Path) -> None:
    """On a machine without a cache and a network, the first document asks for the address of a host."""
    program = (
        "import socket\n"
        "def asked(host, *rest, **more): print('asked for', host, flush=True); raise OSError('no network')\n"
        "socket.getaddrinfo = asked\n"
        "from datatrove.data import Document\n"
        "from datatrove.pipeline.filters import *\n"
        f"block = {FETCHERS[name]}\n"
        "block.filter(Document(text='some text', id='0', metadata={'url': 'https://a.example/b'}))\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=False)
    # fsspec looks for its HTTP client first; where that is not installed, it goes no further.
    assert "asked for" in run.stdout or "HTTPFileSystem requires" in run.stderr, run.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_block_says_why(name: str) -> None:
    with pytest.raises(RecipeError) as error:
        describe([[Block(name=name)]])
    assert REFUSED[name] in error.value.what


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (Block(name="gopher-qualty"), "did you mean `gopher-quality`"),
        (Block(name="gopher-quality", parameters={"min_words": 3}), "did you mean `min_doc_words`"),
        (Block(name="c4-paragraph", parameters={"language": "de"}), "it has: none"),
        (Block(name="gopher-quality", parameters={"min_doc_words": "3"}), "is not like 50"),
        (Block(name="gopher-quality", parameters={"min_doc_words": True}), "is not like 50"),
        (Block(name="gopher-quality", parameters={"max_symbol_word_ratio": float("nan")}), "is not like 0.1"),
        (Block(name="gopher-repetition", parameters={"top_n_grams": [[2]]}), "is not like"),
        (Block(name="ftfy", parameters={"fix_encoding": 1}), "is not like true"),
        (Block(name="regex"), "regex needs `regex_exp`"),
        (Block(name="regex", parameters={"regex_exp": "("}), "datatrove refuses the parameters"),
    ],
)
def test_a_wrong_block_is_an_error_that_says_what_is_right(block: Block, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        describe([[block]])
    assert said in str(error.value)


@pytest.mark.parametrize("module", ["datatrove", "spacy"])
def test_without_the_library_the_error_says_how_to_get_it(module: str) -> None:
    program = (
        "import importlib.util, sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from corpus.recipe import Block; from pipelines.datatrove_blocks import describe\n"
        "describe([[Block(name='gopher-quality')]])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "workflows/install datatrove, or pip install 'tokentrail[datatrove]'" in run.stderr

"""Language and blocks within a build: what they refuse is in the ledger, and the manifest says how to read it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import Tiny, command, digest_of

from corpus.document import Texts
from corpus.drops import Drop
from corpus.language import NOT_ASKED, LanguageRules
from corpus.manifest import load_manifest, read_ref
from corpus.part import read_part
from corpus.recipe import Block, Text
from corpus.table import concat
from pipelines.auditing.explaining import explain
from pipelines.steps.treatment import MEASURED, treat

pytest.importorskip("datatrove", reason="the extra `datatrove` is not installed")
pytest.importorskip("spacy", reason="the extra `datatrove` is not installed")
pytest.importorskip("py3langid", reason="the extra `language` is not installed")

ENGLISH = "The cat and the dog went to the house of a friend of the family."
GERMAN = "Der Hund und die Katze gingen zum Haus eines Freundes der Familie."
TEXT = Text(
    language=LanguageRules(keep=("en",)),
    blocks=(
        Block(name="regex", parameters={"regex_exp": "secret"}),
        Block(name="symbol-lines", parameters={"replace_char": " "}),
        Block(name="c4-quality", parameters={"min_num_sentences": 1}),
    ),
)


def treated(*texts: str) -> list[tuple[str, Drop, int, int]]:
    normal, columns = treat(Texts.from_list([text.encode() for text in texts]), TEXT)
    assert set(columns) == {"drop", *MEASURED}
    drops = [Drop(drop) for drop in columns["drop"]]
    blocks, reasons = columns["block"].tolist(), columns["reason"].tolist()
    return list(zip(map(bytes.decode, normal), drops, blocks, reasons, strict=True))


def test_every_text_has_its_verdict_and_those_kept_are_normalised_again() -> None:
    rules = f"{ENGLISH}\n\n\n-----\n\n\n{ENGLISH}  "
    assert treated(ENGLISH, GERMAN, "", f"{ENGLISH} A secret.", f"{ENGLISH} {{", rules, "The end of it") == [
        (ENGLISH, Drop.KEPT, -1, -1),
        (GERMAN, Drop.OTHER_LANGUAGE, -1, -1),
        ("", Drop.EMPTY, -1, -1),
        (f"{ENGLISH} A secret.", Drop.FOREIGN_RULE, 0, 0),
        (f"{ENGLISH} {{", Drop.FOREIGN_RULE, 2, 4),
        (f"{ENGLISH}\n{ENGLISH}", Drop.KEPT, -1, -1),
        ("The end of it", Drop.FOREIGN_RULE, 2, 4),
    ]


def test_a_text_that_blocks_leave_empty_is_empty() -> None:
    text = Text(blocks=(Block(name="symbol-lines"),))
    assert treat(Texts.from_list([b"-----"]), text)[1]["drop"].tolist() == [Drop.EMPTY]


def test_the_ledger_of_a_build_can_be_read_by_its_manifest(tiny: Tiny, tmp_path: Path) -> None:
    line = ["build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--set", 'text.language.keep=["en"]']
    line += ["--set", "text.language.min_percent=0", "--set"]
    line += ['text.blocks=[{name="gopher-quality",parameters={min_doc_words=100,min_stop_words=0}}]', "--out"]
    digests = []
    for workers in ("1", "2"):
        built = command(line[0], *line[1:], tmp_path / workers, "--workers", workers)
        assert built.returncode == 0, built.stderr
        digests.append(digest_of(built.stdout))
    assert digests[0] == digests[1] != tiny.digest
    ref = tmp_path / "1/refs/tiny/1.0.0"
    assert command("audit.py", "verify", ref).returncode == 0
    manifest = load_manifest(*read_ref(str(ref)))
    rules, chained = (manifest.stage(name).rules for name in ("documents", "chains"))
    assert set(rules["blocks"]) == {"version", "unicode", "blocks", "datatrove", "spacy"}
    folder = manifest.stage_folder(str(tmp_path / "1"), "verdicts")
    parts = [p.name for p in manifest.stage("verdicts").parts if p.name.endswith("ledger.parquet")]
    rows = concat(columns for part in parts for columns in read_part(f"{folder}/{part}"))
    refused = np.flatnonzero(rows["drop"] == Drop.FOREIGN_RULE)
    assert ((rows["block"] >= 0) == (rows["drop"] == Drop.FOREIGN_RULE)).all()
    said: Counter[str] = Counter()
    for row in refused.tolist():
        name = manifest.recipe.source[rows["source"][row]].name
        blocks = (chained if name == "reddit" else rules)["blocks"]["blocks"][name]
        said[blocks[rows["block"][row]]["reasons"][rows["reason"][row]]] += 1
    assert said["gopher_short_doc"] > 10
    for row in refused[[0, -1]]:  # of a file's own documents, and of Reddit's
        (explained,) = explain(str(ref), rows["doc_id"][row].tobytes().hex())
        assert explained.words.startswith("foreign rule: gopher-quality, gopher_")
    assert len(set(rows["source"][refused[[0, -1]]].tolist())) == 2
    assert sum(
        balance.dropped["foreign rule"].documents
        for balance in manifest.sources
        if "foreign rule" in balance.dropped
    ) == sum(said.values())
    counted: Counter[str] = Counter()
    for name in ("documents", "chains"):
        for key, count in manifest.stage(name).counts.items():
            if key.startswith("refused/"):
                counted[key.partition(": ")[2]] += count
    assert counted == said
    assert f"foreign rules: {max(said.values())} gopher-quality: " in built.stdout
    names = [source.name for source in manifest.recipe.source]
    asked = np.isin(rows["source"], [names.index(name) for name in ("wikipedia", "pile-cc", "reddit")])
    assert (rows["language_percent"][asked] >= 0).all()
    assert (rows["language_percent"][rows["source"] == names.index("own")] == NOT_ASKED).all()  # has its own text
    assert rows["language"].max() < len(rules["language"]["labels"])


def test_a_missing_block_is_an_error_before_anything_is_read(tiny: Tiny, tmp_path: Path) -> None:
    built = command(
        "build_corpus.py",
        "--recipe",
        tiny.recipe,
        "--data",
        tiny.data,
        "--out",
        tmp_path / "store",
        "--set",
        'text.blocks=[{name="sampler"}]',
    )
    assert built.returncode == 2
    assert "draws from one running generator" in built.stderr
    assert not (tmp_path / "store").exists()

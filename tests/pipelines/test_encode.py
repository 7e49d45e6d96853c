"""The encode stage beside its check: what a build says when its fast encoder errs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_corpus import Tiny

from corpus import encoder_check
from corpus.document import Texts
from corpus.encoders import choose_encoder
from corpus.errors import IntegrityError
from corpus.manifest import load_manifest
from corpus.tokenizer import Encoder, Tokens
from pipelines.stage import Stage
from pipelines.steps import tokens
from pipelines.steps.blocks import Blocks
from pipelines.task import run_map


class ReadsNoCapitals:
    """An encoder as none should be, for which a capital is a small letter."""

    name, version = "quicktoken", "0.1"

    def encode(self, texts: Texts) -> Tokens:
        return choose_encoder("tokenizers").encode(Texts.from_list([text.lower() for text in texts]))


def encode_stage(tiny: Tiny, store: Path, encoder: str) -> Stage:
    """The encode stage of the tiny corpus, to be run on its first blocks into another store."""
    manifest = load_manifest(str(tiny.store), tiny.digest)
    folder = manifest.stage_folder(str(tiny.store), "verdicts")
    names = [part.name for stage in manifest.stages if stage.name == "verdicts" for part in stage.parts]
    kept = tuple(f"{folder}/{name}" for name in names if name.endswith("kept.arrow"))
    job = tokens.EncodeJob(Blocks.sealed_in(str(tiny.store), manifest), kept, "gpt2", encoder)
    return Stage("encode", str(store), {}, [], job, len(kept), tokens.encode_map)


def test_a_fast_encoder_that_errs_fails_the_build(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = tokens.shared_encoder("tokenizers")

    def encoder(name: str) -> Encoder:
        return right if name == "tokenizers" else ReadsNoCapitals()

    monkeypatch.setattr(tokens, "shared_encoder", encoder)
    monkeypatch.setattr(encoder_check, "ONE_IN", 1)  # the corpus is too small for one in 1,024
    with pytest.raises(IntegrityError, match=r"quicktoken 0\.1 does not encode as tokenizers does"):
        run_map(encode_stage(tiny, tmp_path, "fast"), 0, lambda size, documents: None)
    run_map(encode_stage(tiny, tmp_path, "tokenizers"), 0, lambda size, documents: None)

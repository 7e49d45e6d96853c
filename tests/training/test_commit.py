"""What vouches for a checkpoint: no change to it goes unseen, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import IntegrityError, RecipeError
from training.commit import (
    COMMIT_FORMAT,
    FILE,
    Commit,
    FileEntry,
    TensorEntry,
    find_fault,
    list_folders,
    publish_commit,
    read_commit,
)
from training.config import load_run

RUN = Path(__file__).parents[2] / "workflows" / "runs" / "opt-175b.toml"
FILES = {"__0_0.distcp": b"tensors of one", "__1_0.distcp": b"tensors of the other", ".metadata": b"where"}


def committed(run_dir: Path, step: int = 12, attempt: int = 3) -> Path:
    """A checkpoint, written as torch's part and ours would."""
    folder = run_dir / "checkpoints" / f"{step:08d}-{attempt:04d}"
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    publish_commit(folder, commit(step, attempt))
    return folder


def commit(step: int, attempt: int) -> Commit:
    return Commit(
        step=step,
        attempt=attempt,
        data_step=step + 300,
        tokens=step * 2**21,
        window_order=1,
        world_size=992,
        mesh={"replicate": 1, "shard": 124, "tp": 8},
        corpus_digest="c" * 64,
        config=load_run(str(RUN)),
        tensors={
            "model.a.weight": TensorEntry((50272, 12288), "float32"),
            "optimiser.a.step": TensorEntry((), "f"),
        },
        files={name: FileEntry(len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()},
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = committed(tmp_path)
    checkpoint = read_commit(folder)
    assert checkpoint.commit == commit(12, 3)
    assert [find_fault(checkpoint, part, 3) for part in range(3)] == ["", "", ""]
    # Anybody can check it, with nothing of ours.
    tree = json.loads((folder / FILE).read_bytes())
    assert tree["sha256"] == hashlib.sha256(rfc8785.dumps(tree["commit"])).hexdigest()


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_changed_byte_of_a_commit_is_read(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = committed(tmp_path_factory.mktemp("run"))
    whole = (folder / FILE).read_bytes()
    kind = data.draw(st.sampled_from(["replace", "remove", "insert", "cut"]))
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    rest = whole[place + 1 :] if kind in ("replace", "remove") else whole[place:] if kind == "insert" else b""
    changed = whole[:place] + (byte if kind in ("replace", "insert") else b"") + rest
    if changed == whole:
        return
    (folder / FILE).write_bytes(changed)
    with pytest.raises(IntegrityError):
        read_commit(folder)


def test_a_newer_format_is_another_matter_than_damage(tmp_path: Path) -> None:
    """Whatever else it holds that this release does not know."""
    folder = committed(tmp_path)
    body = {**msgspec.to_builtins(commit(12, 3)), "format": COMMIT_FORMAT + 1, "loss_scale": {"sharded": True}}
    digest = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
    data = msgspec.json.format(rfc8785.dumps({"commit": body, "sha256": digest}), indent=1) + b"\n"
    (folder / FILE).write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        read_commit(folder)
    assert str(caught.value).splitlines() == [
        "error: the checkpoint is of format 2, and this release reads up to 1",
        f"   at: {folder / FILE}",
        "   do: go on with the release that wrote it, or a newer one",
    ]
    body["format"] = COMMIT_FORMAT
    digest = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
    data = msgspec.json.format(rfc8785.dumps({"commit": body, "sha256": digest}), indent=1) + b"\n"
    (folder / FILE).write_bytes(data)
    with pytest.raises(IntegrityError, match="unknown field `loss_scale`"):
        read_commit(folder)


def test_a_commit_is_of_its_folder_and_written_once(tmp_path: Path) -> None:
    folder = committed(tmp_path)
    with pytest.raises(IntegrityError, match="two processes save the same step"):
        publish_commit(folder, commit(12, 3))
    folder.rename(folder.with_name("00000013-0003"))
    with pytest.raises(IntegrityError, match="that of 00000012-0003"):
        read_commit(folder.with_name("00000013-0003"))


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_looked_at_by_someone(name: str, tmp_path: Path) -> None:
    folder = committed(tmp_path)
    checkpoint = read_commit(folder)
    path = folder / name
    for data, fault in (
        (b"", f"{name} has 0 bytes, not {len(FILES[name]):,}"),
        (FILES[name][::-1], f"{name} has other bytes than were written"),
        (FILES[name] + b"!", f"{name} has {len(FILES[name]) + 1} bytes, not {len(FILES[name]):,}"),
    ):
        path.write_bytes(data)
        assert fault in {find_fault(checkpoint, part, 2) for part in range(2)}
    path.unlink()
    assert find_fault(checkpoint, 0, 2) == find_fault(checkpoint, 1, 2) == f"{name} is missing"
    path.mkdir()
    assert find_fault(checkpoint)


def test_the_last_written_comes_first(tmp_path: Path) -> None:
    """A later attempt's, even where it has fewer updates: it had passed over the other."""
    for step, attempt in ((8, 1), (12, 1), (10, 2), (123_456_789, 1)):
        committed(tmp_path, step, attempt)
    for other in ("best", "00000012-0001.copy", "12-1"):
        (tmp_path / "checkpoints" / other).mkdir()
    names = [folder.name for folder in list_folders(str(tmp_path))]
    assert names == ["00000010-0002", "123456789-0001", "00000012-0001", "00000008-0001"]

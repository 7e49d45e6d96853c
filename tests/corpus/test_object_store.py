"""Objects: created once, whole or not at all, read by ranges; whatever answers are lost, cut short or refused.

Against real servers on loopback: moto's S3, fake-gcs-server, and before S3 a proxy that fails as it is told to.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import random
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import storage
from corpus.errors import IntegrityError, SourceError, StoreError
from corpus.object_store import FIRST_BYTES, MOST_BYTES, PIECE_BYTES, Readahead
from corpus.shard import Shard, read_starts, read_tokens, verify_shard, write_shard
from corpus.tokenizer import Tokens, load_vocabulary
from corpus.url_list import load_url_list

if TYPE_CHECKING:
    from failing_proxy import FailingProxy

# aiohttp's, of a request of more than a megabyte: s3fs and gcsfs send from a thread of their own.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

BIG = random.Random(1).randbytes(2 * PIECE_BYTES + 12345)


def unfinished(bucket: str) -> list[str]:
    """The names of uploads in parts that are neither whole nor given up."""
    files, path = fsspec.core.url_to_fs(bucket)
    return [each["Key"] for each in files.call_s3("list_multipart_uploads", Bucket=path).get("Uploads", [])]


def write(url: str, data: bytes, piece: int = 3 << 20) -> storage.NewFile:
    file = storage.NewFile(url)
    for start in range(0, len(data), piece):
        file.write(data[start : start + piece])
    return file


def test_the_first_writer_wins(bucket: str) -> None:
    won: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: won.append(n) if storage.publish(f"{bucket}/m", b"%d" % n) else None)
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [storage.read_bytes(f"{bucket}/m")] == [b"%d" % n for n in won]
    assert not storage.publish(f"{bucket}/m", b"late")
    assert storage.publish(f"{bucket}/m", b"%d" % won[0]), "the same bytes may be one's own, whose answer was lost"


def test_the_condition_is_sent(s3: str, proxy: FailingProxy) -> None:
    assert storage.publish(f"{s3}/small", b"x")
    files, path = fsspec.core.url_to_fs(f"{s3}/large")
    files.pipe_file(path, BIG[: 11 << 20], mode="create", chunksize=5 << 20)
    with pytest.raises(FileExistsError):
        files.pipe_file(path, BIG[: 11 << 20], mode="create", chunksize=5 << 20)
    conditional = [(each.method, each.target.partition("?")[0][-5:]) for each in proxy.asked if each.condition]
    assert conditional == [("PUT", "small"), ("POST", "large"), ("POST", "large")]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, len(BIG)])
def test_an_object_is_there_when_it_is_whole(bucket: str, size: int) -> None:
    data = BIG[:size]
    file = write(f"{bucket}/a/part", data)
    assert storage.list_files(bucket) == []
    file.publish()
    file.discard()
    assert (file.size, file.hexdigest()) == (size, hashlib.sha256(data).hexdigest())
    assert storage.list_sizes(bucket) == {"a/part": size}
    assert storage.read_bytes(f"{bucket}/a/part") == data
    again = write(f"{bucket}/a/part", data, 7 << 20)
    again.publish()
    assert storage.list_sizes(bucket) == {"a/part": size}


def test_what_is_given_up_is_gone(s3: str) -> None:
    file = write(f"{s3}/part", BIG)
    assert unfinished(s3) == ["part"]
    file.discard()
    assert unfinished(s3) == []


@pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)", "del file; gc.collect()"])
def test_who_ends_without_a_word_leaves_nothing(s3: str, end: str) -> None:
    writes = f"import gc, os, signal, sys\nfrom corpus import storage\nfile = storage.NewFile({s3!r} + '/lost')\n"
    writes += f"for _ in range(5): file.write(bytes({PIECE_BYTES // 2}))\n{end}"
    subprocess.run([sys.executable, "-c", writes], stderr=subprocess.DEVNULL)
    assert unfinished(s3) == ["lost"]
    assert storage.list_files(s3) == []


def test_listings_are_never_old(bucket: str) -> None:
    assert storage.list_files(bucket) == []
    for name in ("b", "a/c", "a/b", "ab", "Z"):
        storage.publish(f"{bucket}/{name}", name.encode())
    assert storage.list_files(bucket) == ["Z", "a/b", "a/c", "ab", "b"]
    assert storage.list_sizes(f"{bucket}/a") == {"b": 3, "c": 3}
    other = (
        f"from corpus import storage; storage.publish({bucket!r} + '/a/d', b''); storage.remove({bucket!r} + '/Z')"
    )
    subprocess.run([sys.executable, "-c", other], check=True)
    assert storage.list_files(f"{bucket}/a") == ["b", "c", "d"]
    storage.remove(f"{bucket}/a")
    storage.remove(f"{bucket}/a")
    assert storage.list_files(bucket) == ["ab", "b"]
    assert storage.list_files(f"{bucket}/b") == []


def test_a_placeholder_of_a_folder_is_no_file(s3: str) -> None:
    files, path = fsspec.core.url_to_fs(s3)
    files.call_s3("put_object", Bucket=path, Key="data/", Body=b"")
    storage.publish(f"{s3}/data/x", b"1")
    assert storage.list_sizes(s3) == {"data/x": 1}
    assert storage.list_sizes(f"{s3}/data") == {"x": 1}


def test_a_stamp_changes_with_the_object_alone(bucket: str) -> None:
    write(f"{bucket}/x", b"one").publish()
    first = storage.stamp(f"{bucket}/x")
    told = subprocess.run(
        [sys.executable, "-c", f"from corpus import storage; print(storage.stamp({bucket!r} + '/x'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == first
    write(f"{bucket}/x", b"two").publish()
    assert storage.stamp(f"{bucket}/x") != first


def test_a_jump_fetches_little_and_a_walk_much_at_once(s3: str, proxy: FailingProxy) -> None:
    write(f"{s3}/big", BIG).publish()
    proxy.asked.clear()
    with storage.open_input(f"{s3}/big") as file:
        file.seek(5_000_000)
        assert file.read(10) == BIG[5_000_000:5_000_010]
    assert sum(each.sent for each in proxy.asked) == FIRST_BYTES
    proxy.asked.clear()
    with storage.open_input(f"{s3}/big") as file:
        assert b"".join(iter(lambda: file.read(1 << 16), b"")) == BIG
    fetched = [each.sent for each in proxy.asked if each.method == "GET"]
    assert sum(fetched) == len(BIG)
    assert len(fetched) <= 5 + -(-len(BIG) // MOST_BYTES)


@given(
    st.integers(0, 3 << 20), st.lists(st.tuples(st.integers(0, 3 << 20), st.integers(0, 700_000), st.booleans()))
)
def test_ranges_are_those_of_the_object(size: int, reads: list[tuple[int, int, bool]]) -> None:
    fetched = 0

    def fetch(first: int, last: int) -> bytes:
        nonlocal fetched
        assert 0 <= first < last <= size
        fetched += last - first
        return BIG[first:last]

    cache, plain, asked = Readahead(0, fetch, size, "an object"), io.BytesIO(BIG[:size]), 0
    for start, length, straight_on in reads:
        plain.seek(plain.tell() if straight_on else start)
        start = plain.tell()
        wanted = plain.read(length)
        asked += len(wanted)
        assert cache._fetch(start, start + length) == wanted
    assert fetched <= 3 * asked + 2 * FIRST_BYTES * len(reads), (
        "no more than twice over what was asked for, or a window"
    )


@pytest.mark.parametrize("given_up", [b"", b"short"])
def test_less_than_was_asked_for_is_an_error(given_up: bytes) -> None:
    cache = Readahead(0, lambda first, last: given_up, 1000, "s3://bucket/object")
    with pytest.raises(SourceError, match=r"the store gave . of 1,000 bytes"):
        cache._fetch(0, 10)


def test_a_body_cut_short_is_never_a_short_file(
    s3: str, proxy: FailingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    write(f"{s3}/x", BIG[:1_000_000]).publish()
    proxy.one_in, proxy.faults, proxy.methods = 2, ("cut short",), ("GET",)
    with storage.open_input(f"{s3}/x") as file:
        assert file.read() == BIG[:1_000_000]
    assert proxy.tally()["cut short"]
    proxy.one_in = 1
    with storage.open_input(f"{s3}/x") as file, pytest.raises(SourceError, match="reading broke off"):
        file.read()
    with pytest.raises(SourceError, match="cannot read the file"):
        storage.read_bytes(f"{s3}/x")
    with pytest.raises(SourceError, match="cannot list"):
        storage.list_files(s3)


@pytest.mark.parametrize("fault", ["reset after", "reset before", "500", "503"])
def test_a_request_sent_twice_is_as_if_sent_once(s3: str, proxy: FailingProxy, fault: str) -> None:
    proxy.one_in, proxy.faults, proxy.methods = 3, (fault,), ("PUT", "POST", "DELETE")
    for number in range(8):
        assert storage.publish(f"{s3}/{number}", b"%d" % number)
        assert not storage.publish(f"{s3}/{number}", b"other")
    write(f"{s3}/big", BIG).publish()
    assert storage.read_bytes(f"{s3}/big") == BIG
    for number in range(8):
        storage.remove(f"{s3}/{number}")
    assert storage.list_files(s3) == ["big"]
    assert proxy.tally()[fault]


def test_a_commit_whose_answer_is_lost_is_one(s3: str, proxy: FailingProxy) -> None:
    file = write(f"{s3}/big", BIG)
    proxy.one_in, proxy.faults, proxy.methods = 2, ("reset after",), ("POST",)
    proxy.asked.clear()
    file.publish()
    assert proxy.tally()["reset after"], "choose another seed"
    assert storage.read_bytes(f"{s3}/big") == BIG


def test_a_conflict_is_asked_again(s3: str, proxy: FailingProxy) -> None:
    """S3 answers 409 to one of two that create a name at the same moment."""
    proxy.one_in, proxy.faults, proxy.methods = 2, ("409",), ("PUT",)
    assert all(storage.publish(f"{s3}/{number}", b"x") for number in range(8))
    assert proxy.tally()["409"]


def test_what_is_refused_is_said(s3: str, proxy: FailingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.publish(f"{s3}/x", b"x")
    absent = "s3://no-such-bucket-here/x"
    for refused in (
        lambda: storage.publish(absent, b""),
        lambda: storage.NewFile(absent).publish(),
        lambda: storage.list_files(absent),
        lambda: storage.open_input(absent),
    ):
        with pytest.raises((StoreError, SourceError), match=r"the bucket is not there(.|\n)*do: make it"):
            refused()
    with pytest.raises(SourceError, match="No such file"):
        storage.open_input(f"{s3}/absent")
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"{s3}/absent")
    proxy.one_in, proxy.faults = 1, ("403",)
    with pytest.raises(StoreError, match=r"does not allow it(.|\n)*do: let this account"):
        storage.publish(f"{s3}/y", b"")
    with pytest.raises(SourceError, match="does not allow it"):
        storage.open_input(f"{s3}/x")


NO_LIBRARY = "import sys; sys.modules['s3fs'] = sys.modules['gcsfs'] = None\n"


@pytest.mark.parametrize(
    ("url", "before", "remedy"),
    [
        ("s3://bucket/x", NO_LIBRARY, "pip install 'tokentrail[s3]'"),
        ("gs://bucket/x", NO_LIBRARY, "pip install 'tokentrail[gcs]'"),
        ("gopher://bucket/x", "", "name a folder, s3://... or gs://..."),
        ("s3://bucket/x", "import os; os.environ.pop('AWS_ACCESS_KEY_ID')\n", "set AWS_PROFILE"),
        ("s3://bucket/x", "import os; os.environ['AWS_PROFILE'] = 'nobody'\n", "set AWS_PROFILE"),
        (
            "s3://bucket/x",
            "import os; os.environ.update(AWS_ENDPOINT_URL='http://127.0.0.1:9', AWS_MAX_ATTEMPTS='1')\n",
            "can be reached",
        ),
    ],
)
def test_what_is_missing_is_said(s3: str, url: str, before: str, remedy: str) -> None:
    """In a process of its own: what is installed and who one is is found out once a process."""
    tries = "from corpus import storage\nfrom corpus.errors import TokentrailError\n"
    for call in (f"storage.list_files({url!r})", f"storage.publish({url!r}, b'')", f"storage.open_input({url!r})"):
        tries += f"try: {call}\nexcept TokentrailError as error: print(error)\n"
    done = subprocess.run(
        [sys.executable, "-c", before + tries],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": os.devnull},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:3] for line in done.stdout.splitlines()] == ["err", "   ", "   "] * 3, done.stdout
    assert done.stdout.count(remedy) == 3, done.stdout


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_has_connections_of_its_own(bucket: str, method: str) -> None:
    storage.publish(f"{bucket}/x", b"content")
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(storage.read_bytes, [f"{bucket}/x"] * 4) == [b"content"] * 4
    assert storage.read_bytes(f"{bucket}/x") == b"content"


def test_a_shard_is_read_where_it_lies(s3: str, proxy: FailingProxy) -> None:
    ids = np.arange(3_000_000, dtype=np.uint64).astype(np.uint16)
    facts = write_shard(f"{s3}/shard", [Tokens(ids, np.array([0, 5, 5, 2_000_000, 3_000_000]))])
    assert storage.list_sizes(s3) == {"shard.bin": facts.bin_bytes, "shard.idx": facts.idx_bytes}
    proxy.asked.clear()
    assert (read_tokens(f"{s3}/shard", 1_500_000, 1_500_010) == ids[1_500_000:1_500_010]).all()
    assert sum(each.sent for each in proxy.asked) == FIRST_BYTES
    proxy.asked.clear()
    assert (verify_shard(f"{s3}/shard", facts).tokens == ids).all()
    assert sum(each.sent for each in proxy.asked) == facts.bin_bytes + facts.idx_bytes
    assert (read_starts(f"{s3}/shard") == Shard.open(f"{s3}/shard").starts).all()
    with pytest.raises(IntegrityError, match="ends before token"):
        read_tokens(f"{s3}/shard", 2_999_999, 3_000_001)


def test_lists_and_vocabularies_may_lie_there(s3: str) -> None:
    content = b"example.org\n"
    storage.publish(f"{s3}/list.txt", content)
    assert len(load_url_list(f"{s3}/list.txt", hashlib.sha256(content).hexdigest())) == 1
    with pytest.raises(SourceError, match="cannot open"):
        load_vocabulary(f"{s3}/vocab.json")

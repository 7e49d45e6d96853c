"""A stage as a file beside its parts: how workers that share nothing but the store learn what they are to run.

A job names every file of its stage, megabytes of a large corpus: it is written once, and a task carries its URL.
The file's name is its digest, so that another build's is never taken for it. It is a pickle: who may write to a
store may run code in its workers, as with every engine that takes functions from a driver.
"""

from __future__ import annotations

import functools
import hashlib
import pickle

from corpus import storage
from corpus.errors import EngineError
from pipelines.stage import Stage


def write_stage(stage: Stage) -> str:
    """Puts the stage where every worker finds it until it is sealed; gives its URL."""
    data = pickle.dumps(stage, pickle.HIGHEST_PROTOCOL)
    url = storage.join(stage.folder, "job", hashlib.sha256(data).hexdigest()[:32])
    storage.publish(url, data)
    return url


@functools.lru_cache(maxsize=1)  # a process works on one stage at a time, and holds no more of them
def read_stage(url: str) -> Stage:
    """The stage of that URL, read once by a process.

    Raises:
        EngineError: It is not there.
    """
    try:
        stage: Stage = pickle.loads(storage.read_bytes(url))
    except FileNotFoundError as error:
        raise EngineError(
            "a worker does not find the stage in the store: it looks at another one",
            where=url,
            remedy="put --out on storage that every worker shares, under the same name",
        ) from error
    return stage

"""Writes the locks beside it anew from pyproject.toml: python workflows/locks/resolve.py

Every extra is resolved together with all others first, so that any locks fit into one environment and every
engine runs the same versions; then each extra again, within those versions, for the packages it adds to core.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

LOCKS = Path(__file__).parent
ROOT = LOCKS.parents[1]
INSTALLERS = ("pip", "setuptools")  # what workflows/install works with
HELD = ("torch==2.13.0",)  # held until the trainer's parity tests say otherwise; newer ones pull gigabytes
PEERS = (
    *HELD,
    "accelerate>=1.10",  # this and transformers: for lm-eval's model of Hugging Face's weights
    "datasketch>=2.0",
    "datatrove[processing]>=0.10",
    "fastokens>=0.3",
    "faust-cchardet>=2.1",  # this and the two at python-magic and warcio: for its reader of WARC
    "gigatoken>=0.10",
    "litdata>=0.2.76",
    "lm-eval>=0.4.13",
    "megatron-core>=0.16",
    "orjson>=3.10",
    "py-spy>=0.4",  # no peer, but what looks at stacks: flame.py
    "pyarrow>=18",
    "python-magic>=0.4",
    "rensa>=0.5",
    "spacy>=3.8",  # datatrove cuts English into words with it, and does not ask for it
    "tiktoken>=0.9",
    "tokenizers>=0.21",
    "tokie>=0.1",
    "transformers>=5",
    "warcio>=1.7",
    "zstandard>=0.23",
)


def resolve(requirements: Sequence[str], within: dict[str, str]) -> dict[str, str]:
    """Name -> version of all that pip would install for these requirements into an empty environment."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.writelines(f"{pin}\n" for pin in pins(within))
        constraints.flush()
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--report", "-", "--constraint", constraints.name, *requirements]
        report = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    found = (item["metadata"] for item in json.loads(report)["install"])
    # A local version (+cpu) names one machine's build, not the release.
    return {_canonical(each["name"]): each["version"].partition("+")[0] for each in found}


def pins(versions: dict[str, str]) -> list[str]:
    """The lines of a lock, in the order of their names."""
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _write(lock: str, holds: str, versions: dict[str, str]) -> None:
    head = f"# {holds}\n# Written by resolve.py on CPython {sys.version_info.major}.{sys.version_info.minor}.\n"
    (LOCKS / f"{lock}.txt").write_text(head + "\n".join(pins(versions)) + "\n")
    print(f"{lock}: {len(versions)} packages")


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own, extras = project["name"], project["optional-dependencies"]
    every = resolve([f".[{','.join(extras)}]", *INSTALLERS, *HELD], {})
    del every[own]

    core = resolve([".", *INSTALLERS], every)
    del core[own]
    _write("core", "What every command needs, whole.", core)
    for extra in extras:
        added = resolve([f".[{extra}]"], every)
        _write(
            extra, f"What [{extra}] adds to core.txt.", {n: v for n, v in added.items() if n not in {*core, own}}
        )
    _write(
        "peers",
        "The libraries we are measured against, whole; an environment of their own.",
        resolve(PEERS, every),
    )


if __name__ == "__main__":
    main()

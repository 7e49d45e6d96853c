"""lm-evaluation-harness's own model of Hugging Face's weights, over the same tokens, as often as it is asked.

For every line on stdin, a file of requests (JSON: pairs of context and continuation, as ids), one line of JSON:
CPU seconds of the scoring alone, and the log-probability of each request. The first line printed has the versions.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from lm_eval.models.huggingface import HFLM

PACKAGES = ("lm-eval", "transformers", "torch", "accelerate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder in Hugging Face's form")
    parser.add_argument("--batch", type=int, required=True, help="requests of a batch")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    model = HFLM(pretrained=args.model, device="cpu", dtype="float32", batch_size=args.batch)
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        asked = json.loads(Path(line.strip()).read_text())
        requests = [((None, None), context, continuation) for context, continuation in asked]
        start = time.process_time()
        answers = model._loglikelihood_tokens(requests, disable_tqdm=True)
        spent = time.process_time() - start
        print(json.dumps({"cpu_s": spent, "logprobs": [found for found, _ in answers]}), flush=True)


if __name__ == "__main__":
    main()

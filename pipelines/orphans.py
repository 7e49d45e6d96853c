"""A worker ends with the process that started it, whatever it is at: a killed build leaves nobody writing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LOOK_SECONDS: Final = 0.5  # unpublished: our choice; where nobody tells, how often it looks


def end_with(parent: int) -> None:
    """Ends this process when its parent is gone; to be called as it starts.

    A thread that looks from time to time is enough while Python runs, and is not while a library computes and
    keeps the interpreter to itself. On Linux the kernel kills the process then, at once; it takes for the parent
    the thread that started this process, which has to live as long as its workers are to.

    Args:
        parent: The process that started this one; it may be gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

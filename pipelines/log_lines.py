"""What a build says while it runs: to a person, or with `--log-format json` to whoever collects logs.

Source: Cloud Logging, "Structured logging": a line's `severity`, `message` and `time` are taken apart, what else
it holds can be searched for.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER = logging.getLogger("tokentrail")


class JsonLines(logging.Formatter):
    """A record as one line; what `extra={"facts": ...}` gave stands beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        said = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def speak(log_format: str, debug: bool) -> None:
    """Sends what we say to stderr.

    Args:
        log_format: "text" for a person, "json" for a line of JSON a record.
        debug: Whether libraries are heard too: engines talk to themselves.
    """
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonLines())
    if not debug:
        handler.addFilter(_is_meant_for_people)
    level = logging.INFO if debug else logging.CRITICAL
    logging.basicConfig(handlers=[handler], level=level, format="%(message)s", force=True)
    LOGGER.setLevel(logging.INFO)
    logging.captureWarnings(log_format == "json")
    logging.getLogger("py.warnings").setLevel(logging.WARNING)


def _is_meant_for_people(record: logging.LogRecord) -> bool:
    """Ours, warnings, and what ends a process; by name, for distributed gives its loggers levels of their own."""
    return record.name.split(".")[0] in (LOGGER.name, "py") or record.levelno >= logging.CRITICAL

"""What a build says, as a line of JSON each: `--log-format json`, for whoever collects the logs of many machines.

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
    """A record of any library as one line; what `extra={"facts": ...}` gave stands beside its message."""

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


def log_as_json() -> None:
    """Makes every log record of this process, and every warning, a line of JSON on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)

"""Lines to a stream whose reader may be slow, or stuck: nobody who logs waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final, TextIO

__all__ = ["LINES_WAITING_MAX", "PatientHandler"]

LINES_WAITING_MAX: Final = 2_000
"""What a reader may be behind, some hundred kilobytes; what comes then is lost, and counted."""
_END_S: Final = 2.0
"""How long the end waits for a reader."""


class PatientHandler(logging.Handler):
    """Writes each record as a line on a thread of its own.

    Args:
        stream: where to; not closed.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._changed = threading.Condition()
        self._lines: deque[str] = deque()
        self._lost = 0
        self._writing = False
        self._ended = False
        self._thread = threading.Thread(target=self._write, name="viseme-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, formatted here and now: its context is that of the thread that logs."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as in all of logging's handlers
            self.handleError(record)
            return
        with self._changed:
            if len(self._lines) < LINES_WAITING_MAX:
                self._lines.append(line)
                self._changed.notify_all()
            else:
                self._lost += 1

    def flush(self) -> None:
        """Wait until all lines are written, for as long as somebody reads."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._lines or self._writing), _END_S)

    def close(self) -> None:
        """Write what waits, for as long as somebody reads, and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(_END_S)
        super().close()

    def _write(self) -> None:
        while (text := self._next()) is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):  # its reader has gone, or it was closed
                break
        with self._changed:
            self._writing = False
            self._changed.notify_all()

    def _next(self) -> str | None:
        """Wait for lines and give all that there are; None at the end."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines or self._ended)
            lines, lost = list(self._lines), self._lost
            self._lines.clear()
            self._lost = 0
            self._writing = bool(lines)
        if lost:
            lines.append(self.format(_notice(lost)))
        return "".join(f"{line}\n" for line in lines) if lines else None


def _notice(lost: int) -> logging.LogRecord:
    text = f"{lost} lines were lost here, since nobody read as fast"
    return logging.LogRecord(__name__, logging.WARNING, "", 0, text, None, None)

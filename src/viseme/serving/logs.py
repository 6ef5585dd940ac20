"""What the server tells of its work: one line an event, as text or JSON, with the request's id.

Underneath is the standard `logging`. `viseme serve` calls `logging_to`; who embeds the server and
does not call it gets the same events through handlers of their own, with the attributes
`request_id` and `fields` on each record.

Neither a token nor sound gets into a line: values are numbers or short texts, anything else is
named by its type, and what follows "Bearer" is struck out.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final, TextIO

from viseme.serving.config import LogConfig
from viseme.serving.log_writer import PatientHandler

__all__ = [
    "ACCESS_LOGGER",
    "JsonFormatter",
    "TextFormatter",
    "access",
    "event",
    "logging_to",
    "request_context",
    "request_id",
]

ACCESS_LOGGER: Final = "viseme.serving.access"
"""One event for each request that was answered."""

_LOGGERS = ("viseme", "uvicorn", "grpc")  # of others, only those whose doors these are
_MAX_TEXT_CHARACTERS = 500
_MAX_TRACE_CHARACTERS = 20_000
_STRUCK_OUT = "***"
_SECRET_NAMES = frozenset({"authorization", "key", "password", "secret", "token"})
_BEARER = re.compile(r"(?i)\b(bearer)[\s:=]+[^\s\"',]+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PLAIN_TEXT = re.compile(r"[!#-<>-~]+")  # what needs no quotes: printable, without blank, " and =

_current: ContextVar[str | None] = ContextVar("viseme_request_id", default=None)


def request_id() -> str | None:
    """Give the id of the request that this thread or task works on, None between requests."""
    return _current.get()


@contextmanager
def request_context(wanted: str | None = None) -> Iterator[str]:
    """Work on a request: what is logged within has its id.

    Threads do not inherit it; run work of theirs in `contextvars.copy_context()`.

    Args:
        wanted: the id that the client brought; taken if it is up to 64 letters, digits, dots,
            dashes and underscores, else one is made.

    Yields:
        The id, to be given to the client.
    """
    known = wanted is not None and _REQUEST_ID.fullmatch(wanted)
    chosen = wanted if known and wanted else uuid.uuid4().hex
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        # gRPC may let go of a call on another thread than its own, where there is nothing to reset.
        with suppress(ValueError):
            _current.reset(token)


def event(
    logger: logging.Logger,
    name: str,
    /,
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
    **fields: object,
) -> None:
    """Log that something happened.

    Args:
        logger: whose event it is.
        name: what happened, the same words each time: "the server is ready".
        level: as of `logging`.
        error: an exception whose traceback belongs to it.
        fields: what is to be known of it. Units belong to the names: `seconds`, `bytes`.
    """
    _log(logger, name, fields, level=level, error=error)


def _log(
    logger: logging.Logger,
    name: str,
    fields: Mapping[str, object],
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
) -> None:
    if not logger.isEnabledFor(level):
        return
    safe = {key: _safe(key, value) for key, value in fields.items()}
    extra = {"fields": safe, "request_id": request_id()}
    logger.log(level, "%s", name, exc_info=error, extra=extra, stacklevel=3)


def access(door: str, method: str, code: str, seconds: float, **fields: object) -> None:
    """Log a request that was answered, whatever the answer.

    Args:
        door: "grpc" or "http".
        method: what was called.
        code: the status that was answered.
        seconds: from the first byte of the request to the last of the answer.
        fields: anything else, such as `caller`, the name of the token, `frames` or `bytes`.
    """
    known = {"door": door, "method": method, "code": code, "seconds": round(seconds, 4)}
    _log(logging.getLogger(ACCESS_LOGGER), "request", {**known, **fields})


@contextmanager
def logging_to(stream: TextIO, config: LogConfig) -> Iterator[None]:
    """Write what viseme and the libraries of its doors log to a stream, until it ends.

    The root logger is left alone, and every logger is as it was afterwards. A stream that nobody
    reads makes nobody wait.
    """
    handler = PatientHandler(stream)
    handler.setFormatter(JsonFormatter() if config.format == "json" else TextFormatter())
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(config.level.upper())
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, request_id, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, of viseme or of any other library."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _clean(record.getMessage()),
        }
        identity = _identity(record)
        if identity is not None:
            line["request_id"] = identity
        for name, value in _fields(record).items():
            line.setdefault(name, value)
        trace = _trace(self, record)
        if trace:
            line["trace"] = trace
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for people: the time, the level, the event, and the fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; line feeds in values are escaped, so that no client writes lines."""
        parts = [_time(record), f"{record.levelname.lower():<7}", _one_line(record)]
        fields = dict(_fields(record))
        identity = _identity(record)
        if identity is not None:
            fields["request_id"] = identity
        parts += [f"{name}={_quoted(value)}" for name, value in fields.items()]
        trace = _trace(self, record)
        return " ".join(parts) + (f"\n{trace}" if trace else "")


def _time(record: logging.LogRecord) -> str:
    """Write the time in UTC, to the millisecond."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _identity(record: logging.LogRecord) -> str | None:
    """Give the request's id: of the moment of the event, or of now for the records of others."""
    given: str | None = getattr(record, "request_id", None)
    return given if given is not None else request_id()


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return fields


def _one_line(record: logging.LogRecord) -> str:
    text = _clean(record.getMessage())
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)[1:-1]


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if _PLAIN_TEXT.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    return _clean(formatter.formatException(record.exc_info), _MAX_TRACE_CHARACTERS)


def _safe(name: str, value: object) -> object:
    """Make a value that may stand in a line: a number, a short text, or the name of a type."""
    if name.lower() in _SECRET_NAMES:
        return _STRUCK_OUT
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no name for it
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _clean(value)
    return f"<{type(value).__name__}>"


def _clean(text: str, most: int = _MAX_TEXT_CHARACTERS) -> str:
    """Strike out tokens, and cut what is long; the end of a traceback says most, so it stays."""
    text = _BEARER.sub(rf"\1 {_STRUCK_OUT}", text)
    if len(text) <= most:
        return text
    return text[:most] + "…" if most == _MAX_TEXT_CHARACTERS else "…" + text[-most:]

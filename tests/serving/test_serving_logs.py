"""One line an event, with the request's id and without secrets."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import os
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.serving.config import LogConfig
from viseme.serving.log_writer import LINES_WAITING_MAX
from viseme.serving.logs import access, event, logging_to, request_context, request_id

LOG = logging.getLogger("viseme.serving.test")
TOKEN = "a1b2c3d4e5f6a7b8"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO) -> Iterator[io.StringIO]:
    with logging_to(stream, LogConfig(format="text")):
        yield stream


@pytest.fixture
def objects(stream: io.StringIO) -> Iterator[io.StringIO]:
    with logging_to(stream, LogConfig(format="json")):
        yield stream


def only_line(stream: io.StringIO) -> str:
    (line,) = written(stream).splitlines()
    return line


def written(stream: io.StringIO) -> str:
    """Give what was logged so far; it is written on a thread of its own."""
    for handler in logging.getLogger("viseme").handlers:
        handler.flush()
    return stream.getvalue()


def only_object(stream: io.StringIO) -> dict[str, object]:
    line: dict[str, object] = json.loads(only_line(stream))
    return line


def test_an_event_is_one_json_object(objects: io.StringIO) -> None:
    with request_context("abc-1"):
        event(LOG, "the server is ready", door="grpc", port=0, share=0.5, late=False, who=None)
    line = only_object(objects)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("time")))
    assert line == {
        "level": "info",
        "logger": "viseme.serving.test",
        "event": "the server is ready",
        "request_id": "abc-1",
        "door": "grpc",
        "port": 0,
        "share": 0.5,
        "late": False,
        "who": None,
    }


def test_an_event_is_one_line_for_people(lines: io.StringIO) -> None:
    with request_context("abc-1"):
        event(LOG, "the server is ready", level=logging.WARNING, port=80, path="/a b", name="é")
    assert only_line(lines).split(" ", 1)[1] == (
        'warning the server is ready port=80 path="/a b" name="é" request_id=abc-1'
    )


def test_a_request_that_was_answered_is_an_event(objects: io.StringIO) -> None:
    access("grpc", "InferBatch", "OK", 0.01234567, caller="anna", frames=5)
    line = only_object(objects)
    assert line["logger"] == "viseme.serving.access"
    assert (line["door"], line["method"], line["code"]) == ("grpc", "InferBatch", "OK")
    assert (line["seconds"], line["caller"], line["frames"]) == (0.0123, "anna", 5)


def test_a_request_has_its_id_in_its_context_alone(objects: io.StringIO) -> None:
    assert request_id() is None
    with request_context("outer"):
        with request_context("inner"):
            assert request_id() == "inner"
        assert request_id() == "outer"
        copied = contextvars.copy_context()
        seen: list[str | None] = []
        for run in (lambda: seen.append(request_id()), lambda: copied.run(_note, seen)):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        assert seen == [None, "outer"]
    event(LOG, "idle")
    assert "request_id" not in only_object(objects)


def _note(seen: list[str | None]) -> None:
    seen.append(request_id())


@pytest.mark.parametrize("wanted", [None, "", "a b", "a\nb", "x" * 65, "ü", "a/b"])
def test_an_id_that_could_do_harm_is_not_taken(wanted: str | None) -> None:
    with request_context(wanted) as first, request_context(wanted) as second:
        assert re.fullmatch(r"[0-9a-f]{32}", first)
        assert first != second


def test_a_request_may_be_let_go_of_elsewhere() -> None:
    def work() -> Generator[str, None, None]:
        with request_context("abc-4") as request:
            yield request

    working = work()
    assert contextvars.copy_context().run(next, working) == "abc-4"
    working.close()
    assert request_id() is None


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": TOKEN},
        {"Token": TOKEN},
        {"header": f"Bearer {TOKEN}"},
        {"header": f"authorization: bearer   {TOKEN}, x"},
        {"sound": np.full(16, 0.718281, np.float32), "body": b"0.718281"},
        {"metadata": {"authorization": f"Bearer {TOKEN}"}, "samples": [0.718281]},
    ],
)
def test_neither_tokens_nor_sound_get_into_a_line(
    stream: io.StringIO, form: str, fields: dict[str, Any]
) -> None:
    with logging_to(stream, LogConfig.model_validate({"format": form})):
        event(LOG, "said", **fields)
        LOG.warning("the header was Bearer %s", TOKEN)
        try:
            raise ValueError(f"bad header: Bearer {TOKEN}")
        except ValueError as error:
            event(LOG, "failed", error=error)
    assert TOKEN not in stream.getvalue()
    assert "0.7182" not in stream.getvalue()  # a time has three places
    assert "***" in stream.getvalue()


@given(value=st.text(), name=st.text())
def test_no_client_writes_lines_of_its_own(value: str, name: str) -> None:
    stream = io.StringIO()
    with logging_to(stream, LogConfig(format="text")):
        event(LOG, name, value=value)
    assert stream.getvalue().count("\n") == 1
    with logging_to(stream := io.StringIO(), LogConfig(format="json")):
        event(LOG, name, value=value)
    assert json.loads(stream.getvalue()).keys() >= {"event", "value"}


def test_long_texts_are_cut(objects: io.StringIO) -> None:
    event(LOG, "long", path="x" * 10_000_000)
    assert only_object(objects)["path"] == "x" * 500 + "…"


def test_figures_that_json_has_no_name_for_are_texts(objects: io.StringIO) -> None:
    event(LOG, "odd", rate=float("nan"), wait=float("inf"))
    line = only_object(objects)
    assert (line["rate"], line["wait"]) == ("nan", "inf")


def test_an_error_brings_its_traceback(stream: io.StringIO) -> None:
    try:
        raise ValueError("the network is on fire")
    except ValueError as error:
        with logging_to(stream, LogConfig(format="json")):
            event(LOG, "failed", level=logging.ERROR, error=error)
    line = only_object(stream)
    assert line["level"] == "error"
    assert str(line["trace"]).endswith("ValueError: the network is on fire")


def test_events_below_the_level_are_not_written(stream: io.StringIO) -> None:
    with logging_to(stream, LogConfig(level="warning")):
        event(LOG, "quiet")
        logging.getLogger("uvicorn.error").info("quiet too")
        event(LOG, "loud", level=logging.ERROR)
    assert "loud" in only_line(stream)


def test_other_libraries_of_the_doors_are_written_with_the_id(objects: io.StringIO) -> None:
    with request_context("abc-2"):
        logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    line = only_object(objects)
    assert (line["logger"], line["event"]) == ("uvicorn.error", "odd thing")
    assert line["request_id"] == "abc-2"


def test_afterwards_all_loggers_are_as_they_were(stream: io.StringIO) -> None:
    logger = logging.getLogger("viseme")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with logging_to(stream, LogConfig()):
        pass
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_who_embeds_the_server_gets_the_records(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "viseme"), request_context("abc-3"):
        event(LOG, "embedded", frames=3)
    (record,) = caplog.records
    assert record.getMessage() == "embedded"
    assert vars(record)["request_id"] == "abc-3"
    assert vars(record)["fields"] == {"frames": 3}


def test_nobody_waits_for_a_reader_who_does_not_read() -> None:
    reading, writing = os.pipe()
    most = 3 * LINES_WAITING_MAX
    with (
        os.fdopen(reading, encoding="utf-8") as reader,
        os.fdopen(writing, "w", encoding="utf-8") as stream,
        logging_to(stream, LogConfig(format="json")),
    ):
        for number in range(most):
            event(LOG, "said", number=number, filling="x" * 100)
        lines = map(json.loads, reader)
        assert next(lines)["number"] == 0
        lost = next(line for line in lines if "lost" in line["event"])
        assert lost["level"] == "warning"
        assert 0 < int(lost["event"].split()[0]) < most
        event(LOG, "after")
        assert next(lines)["event"] == "after"


def test_a_reader_who_has_gone_is_not_missed() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    with logging_to(stream, LogConfig()):
        os.close(reading)
        for _ in range(3):
            event(LOG, "said")
    assert "viseme-log" not in {thread.name for thread in threading.enumerate()}
    with suppress(BrokenPipeError):
        stream.close()

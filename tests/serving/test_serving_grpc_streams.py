"""Calls of messages that come and go in any number, with a service made for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.grpc_client import (
    SMALL_WINDOW,
    OpenDoor,
    channel,
    details,
    open_door,
    refusal,
    trailers,
    until,
)
from support.house import TOKENS, OpenHouse, played_house, serving
from support.played_network import PATIENCE_S, PlayedNetwork
from viseme.errors import OverloadedError
from viseme.serving import Load
from viseme.serving.doors.grpc_calls import Arrival, Calls
from viseme.wire.messages import v1
from viseme.wire.services import LIVE

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

NOTHING = Load()


class Parrot:
    """Repeats each word, or does what the word says."""

    def __init__(self, patience_s: float | None = None) -> None:
        self.ended = threading.Event()
        self.held: list[Load] = []
        self._patience_s = patience_s

    def handlers(self, calls: Calls) -> grpc.GenericRpcHandler:
        def listen(
            arrival: Arrival, requests: Iterator[v1.LiveRequest]
        ) -> Iterator[v1.LiveResponse]:
            try:
                with arrival.visit.admit(streams=1, frames=2):
                    for request in requests:
                        self.held.append(calls.house.desk.admission.held)
                        yield from self._answers(request.sound.decode())
            finally:
                self.ended.set()

        return calls.service(calls.streaming(LIVE, listen, patience_s=self._patience_s))

    def _answers(self, word: str) -> Iterator[v1.LiveResponse]:
        if word == "too much":
            raise OverloadedError("That is too much.", retry_after_s=2.5)
        if word == "a fault":
            raise ZeroDivisionError("whoever reads this has the log")
        if word == "many":
            for _ in range(100):
                yield _notice("m" * 2**16)
        yield _notice(word)


def _notice(text: str) -> v1.LiveResponse:
    return v1.LiveResponse(notice=v1.LiveNotice(text=text))


def said(word: str) -> bytes:
    return v1.LiveRequest(sound=word.encode()).SerializeToString()


def talk(to: grpc.Channel, messages: Iterator[bytes], **options: Any) -> Any:
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = to.stream_stream(LIVE.path)
    return call(messages, **options)


def lengths(answers: Any) -> list[int]:
    return [len(v1.LiveResponse.FromString(answer).notice.text) for answer in answers]


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def house(network: PlayedNetwork, tmp_path: Path) -> Iterator[OpenHouse]:
    with played_house(network, tmp_path) as house:
        yield house


@pytest.fixture
def door(house: OpenHouse, parrot: Parrot) -> Iterator[OpenDoor]:
    with open_door(house, services=[parrot.handlers]) as door:
        yield door


def test_messages_are_answered_as_they_come(
    door: OpenDoor, house: OpenHouse, parrot: Parrot
) -> None:
    heard = threading.Event()

    def turns() -> Iterator[bytes]:
        yield said("anna")
        assert heard.wait(PATIENCE_S)
        yield said("berta")

    call = talk(door.main, turns(), metadata=(("x-request-id", "number-17"),))
    assert lengths([next(call)]) == [4]
    assert dict(call.initial_metadata())["x-request-id"] == "number-17"
    heard.set()
    assert lengths(call) == [5]
    assert parrot.held == [Load(1, 2, 0, 1)] * 2
    until(lambda: house.desk.admission.held == NOTHING)


@pytest.mark.parametrize(
    ("last", "code", "sentence"),
    [
        (said("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED, "That is too much."),
        (
            said("a fault"),
            grpc.StatusCode.INTERNAL,
            "The server failed in a way that was not foreseen; its log has request number-17.",
        ),
        (
            b"\xff\xff",
            grpc.StatusCode.INVALID_ARGUMENT,
            "The message is no viseme.v1.LiveRequest, or damaged; encode it by the server's proto.",
        ),
    ],
    ids=["known", "unforeseen", "damaged"],
)
def test_an_error_comes_after_what_was_answered(
    door: OpenDoor, house: OpenHouse, last: bytes, code: grpc.StatusCode, sentence: str
) -> None:
    metadata = (("x-request-id", "number-17"),)
    call = talk(door.main, iter([said("anna"), last]), metadata=metadata)
    assert lengths([next(call)]) == [4]
    error = refusal(partial(next, call))
    assert (error.code(), details(error)) == (code, sentence)
    assert trailers(error)["x-request-id"] == "number-17"
    assert trailers(error).get("retry-after") == (
        "3" if code is grpc.StatusCode.RESOURCE_EXHAUSTED else None
    )
    until(lambda: house.desk.admission.held == NOTHING)


@pytest.mark.parametrize("end", ["hangs up", "dies", "is late"])
def test_a_client_that_goes_while_the_server_listens(
    door: OpenDoor, house: OpenHouse, parrot: Parrot, end: str
) -> None:
    silent = threading.Event()

    def one() -> Iterator[bytes]:
        yield said("anna")
        silent.wait()

    with channel(door.addresses["grpc"]) as own:
        call = talk(own, one(), timeout=1.0 if end == "is late" else None)
        if end != "is late":
            assert lengths([next(call)]) == [4]
        if end == "hangs up":
            call.cancel()
        elif end == "is late":
            error = refusal(partial(list, call))
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    silent.set()
    if end != "is late":
        assert parrot.ended.wait(PATIENCE_S)
    until(lambda: house.desk.admission.held == NOTHING)


def test_a_client_that_goes_while_the_server_talks_ends_its_generator(
    door: OpenDoor, house: OpenHouse, parrot: Parrot
) -> None:
    with channel(door.addresses["grpc"], *SMALL_WINDOW) as own:
        call = talk(own, iter([said("many")]))
        assert lengths([next(call)]) == [2**16]
        call.cancel()
        assert parrot.ended.wait(PATIENCE_S)
    until(lambda: house.desk.admission.held == NOTHING)


def test_who_does_not_read_is_slowed_and_then_dropped(
    network: PlayedNetwork, tmp_path: Path, parrot: Parrot
) -> None:
    config = serving(limits={"stall_s": 0.1})
    with (
        played_house(network, tmp_path, config=config) as house,
        open_door(house, services=[parrot.handlers]) as door,
        channel(door.addresses["grpc"], *SMALL_WINDOW) as own,
    ):
        call = talk(own, iter([said("many")]))
        assert parrot.ended.wait(PATIENCE_S)
        until(lambda: house.desk.admission.held == NOTHING)
        error = refusal(partial(list, call))
        assert error.code() == grpc.StatusCode.CANCELLED


def test_who_falls_silent_is_dropped(house: OpenHouse) -> None:
    parrot, silent = Parrot(patience_s=0.2), threading.Event()

    def one() -> Iterator[bytes]:
        yield said("anna")
        silent.wait()

    with open_door(house, services=[parrot.handlers]) as door:
        error = refusal(partial(list, talk(door.main, one())))
        assert error.code() == grpc.StatusCode.CANCELLED
        assert parrot.ended.wait(PATIENCE_S)
        until(lambda: house.desk.admission.held == NOTHING)
        silent.set()


def test_who_has_no_token_is_not_heard(
    network: PlayedNetwork, tmp_path: Path, parrot: Parrot
) -> None:
    with (
        played_house(network, tmp_path, tokens=TOKENS) as house,
        open_door(house, services=[parrot.handlers]) as door,
    ):
        error = refusal(partial(list, talk(door.main, iter([said("anna")]))))
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED
        assert parrot.held == []


def test_closing_without_grace_ends_a_stream(house: OpenHouse, parrot: Parrot) -> None:
    silent = threading.Event()

    def one() -> Iterator[bytes]:
        yield said("anna")
        silent.wait()

    with open_door(house, services=[parrot.handlers]) as door:
        call = talk(door.main, one())
        assert lengths([next(call)]) == [4]
        door.door.close(0.0)
        assert parrot.ended.wait(PATIENCE_S)
        assert house.desk.admission.held == NOTHING
        silent.set()

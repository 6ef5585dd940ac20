"""`viseme.v1/Live`: a live session on a gRPC call.

The call's own thread writes, as gRPC wants it; a second one reads, since neither may wait for the
other, and a third hands in what was read, so that an interrupt is seen when it has come. The
second reads from the first message on, so that one that does not come is not waited for.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from enum import Enum
from typing import Final, TypeAlias

from viseme.errors import DeadlineError, InputError
from viseme.rendering import RenderOptions
from viseme.serving.clips import find_avatar
from viseme.serving.doors.grpc_calls import Arrival, Calls, Method
from viseme.serving.doors.grpc_messages import (
    event_message,
    live_latency,
    live_output,
    live_size,
    raw_sound,
    ready_message,
    sound_back,
)
from viseme.serving.inbox import Inbox
from viseme.serving.job import Lane
from viseme.serving.live import LiveSession
from viseme.serving.live_events import LivePicture
from viseme.serving.live_options import LiveOptions
from viseme.wire.messages import v1
from viseme.wire.services import LIVE

__all__ = ["live_method"]

_PATIENCE_S: Final = 86_400.0
"""Silence is for the session to judge, which knows whether pictures are still being made."""


class _Sign(Enum):
    """What comes of a client beside its messages."""

    HANG_UP = "hang up"
    """There are no more of them."""


_Word: TypeAlias = v1.LiveRequest | _Sign


def live_method(calls: Calls) -> Method:
    """Answer `Live`."""
    house = calls.house
    limits = house.desk.admission.limits

    def live(arrival: Arrival, requests: Iterator[v1.LiveRequest]) -> Iterator[v1.LiveResponse]:
        with arrival.visit.admit(streams=1):
            incoming = _Incoming(requests)
            arrival.on_end(incoming.end)
            hello = _hello(arrival, incoming, limits.stall_s)
            name, _ = find_avatar(house.cast, hello.avatar)
            options = _options(hello, limits.stall_s)
            arrival.visit.fields["avatar"] = name
            rendering = RenderOptions(latency=live_latency(hello))
            renderer = house.cast.renderer(name, rendering, lane=Lane.LIVE)
            with (
                LiveSession(renderer, options, house.desk.metrics, house.speaker) as session,
                house.desk.admission.telling(session.drain),
            ):
                incoming.begin(session)
                yield ready_message(name, session.ready)
                yield from _told(arrival, session)

    return calls.streaming(LIVE, live, patience_s=_PATIENCE_S)


def _hello(arrival: Arrival, incoming: _Incoming, timeout_s: float) -> v1.LiveHello:
    """Wait for the first message.

    Raises:
        InputError: it is another one, or there is none.
        DeadlineError: it has not come in time.
        CancelledError: the client has gone.
    """
    first = incoming.first(timeout_s)
    if arrival.gone:
        raise CancelledError
    if first is None or first.WhichOneof("message") != "hello":
        raise InputError("A call of Live begins with `hello`; send it before anything else.")
    return first.hello


def _options(hello: v1.LiveHello, stall_s: float) -> LiveOptions:
    if not hello.HasField("raw"):
        raise InputError(
            "The hello has no `raw`; say there what the rate, the channels and the format of the "
            "sound are."
        )
    return LiveOptions(
        sound=raw_sound(hello.raw),
        pictures=live_output(hello),
        size=live_size(hello),
        start_frame=hello.start_frame,
        behind_samples=hello.behind_samples,
        rests=hello.rest,
        sound_back=sound_back(hello),
        stall_s=stall_s,
    )


def _told(arrival: Arrival, session: LiveSession) -> Iterator[v1.LiveResponse]:
    pictures = 0
    try:
        while (event := session.take()) is not None:
            pictures += isinstance(event, LivePicture)
            yield event_message(event)
    finally:
        arrival.visit.fields["pictures"] = pictures
    if arrival.gone:
        raise CancelledError


class _Incoming:
    """What a client sends, on two threads that end with the call at the latest.

    Args:
        requests: its messages.
    """

    def __init__(self, requests: Iterator[v1.LiveRequest]) -> None:
        self._requests = requests
        self._first: queue.SimpleQueue[v1.LiveRequest | Exception | None] = queue.SimpleQueue()
        self._begun: queue.SimpleQueue[LiveSession | None] = queue.SimpleQueue()
        self._inbox: Inbox[_Word] = Inbox()
        self._session: LiveSession | None = None
        self._ended = False
        self._threads = [_thread("reader", self._read)]

    def first(self, timeout_s: float) -> v1.LiveRequest | None:
        """Wait for the first message; None if there will be none.

        Raises:
            DeadlineError: it has not come in time.
            WireError: it is damaged.
            CancelledError: the client has gone.
        """
        try:
            first = self._first.get(timeout=timeout_s)
        except queue.Empty:
            raise DeadlineError(f"No hello has come for {timeout_s:g} s; send it first.") from None
        if not isinstance(first, Exception):
            return first
        try:
            raise first
        finally:
            del first  # it leads to this frame, which would lead to it

    def begin(self, session: LiveSession) -> None:
        """Hand all that follows to a session."""
        self._session = session
        self._threads.append(_thread("inbox", self._hand_in))
        self._begun.put(session)
        if self._ended:
            session.abandon()

    def end(self) -> None:
        """End the threads; for when the call is over, so that they wait for no message."""
        self._ended = True
        if self._session is not None:
            self._session.abandon()
        self._first.put(None)
        self._begun.put(None)
        self._inbox.end()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        try:
            self._first.put(next(self._requests, None))
        except Exception as error:  # noqa: BLE001 - raised again where it can be handled
            self._first.put(error)
            return
        session = self._begun.get()
        if session is None:
            return
        try:
            for request in self._requests:
                kind = request.WhichOneof("message")
                if kind == "interrupt":
                    session.expect_interrupt()
                item = request.sound if kind == "sound" else request
                self._inbox.put(item, request.ByteSize())
            self._inbox.put(_Sign.HANG_UP, 0)
        except CancelledError:  # the client has gone
            session.abandon()
        except Exception as error:  # noqa: BLE001 - raised again where it can be handled
            session.fail(error)

    def _hand_in(self) -> None:
        session = self._session
        assert session is not None, "set before this begins"
        try:
            goes_on = True
            while goes_on and (item := self._inbox.take()) is not None:
                goes_on = session.push(*item) if isinstance(item, list) else _do(session, item)
        except Exception as error:  # noqa: BLE001 - raised again where it can be handled
            session.fail(error)


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """Start a thread of the call, to which belongs what it logs."""
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(work,), name=f"viseme-live-{name}", daemon=True)
    thread.start()
    return thread


def _do(session: LiveSession, request: _Word) -> bool:
    """Do what a word says; False when no other follows."""
    if isinstance(request, _Sign):
        session.hang_up()
        return False
    kind = request.WhichOneof("message")
    if kind == "say":
        return session.say(request.say.text, request.say.voice)
    if kind == "interrupt":
        return session.interrupt()
    if kind == "end_of_speech":
        return session.end_of_speech()
    if kind == "key_frame":
        session.begin_anew()
        return True
    if kind == "hello":
        raise InputError("A second `hello` has come; start another call for it.")
    raise InputError(
        "A message has neither sound nor anything else that is known here; send one of "
        "`sound`, `say`, `interrupt`, `end_of_speech` and `key_frame`."
    )

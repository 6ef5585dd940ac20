"""`/v1/live`: a live session on a WebSocket.

All that is said is in `live_words`. The socket belongs to the event loop; what may have to wait
for the session has threads: handing in, taking, and reading where there is no room for more. An
interrupt does not wait: what it takes back is taken back when it has come, though it is handed in
after all that came before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from viseme.audio import Latency
from viseme.errors import DeadlineError, InputError, OverloadedError, VisemeError
from viseme.rendering import RenderOptions
from viseme.serving.clips import find_avatar
from viseme.serving.desk import CANCELLED, Visit
from viseme.serving.doors.http_connection import HANG_UP
from viseme.serving.doors.http_json import encode_json
from viseme.serving.doors.http_socket import DRAINED
from viseme.serving.doors.live_words import (
    VERSION,
    End,
    Hello,
    Interrupt,
    KeyFrame,
    Ping,
    Say,
    Stats,
    error_words,
    event_words,
    media_message,
    parse_word,
    ready_words,
    sound_message,
)
from viseme.serving.house import House
from viseme.serving.inbox import Inbox
from viseme.serving.job import Lane
from viseme.serving.job_queue import stopping
from viseme.serving.live import LiveSession
from viseme.serving.live_events import Interrupted, LivePicture, LiveSound
from viseme.serving.live_flow import LiveFlow
from viseme.serving.live_options import LiveOptions
from viseme.serving.outbox import Outbox

__all__ = ["LIVE_PATH", "MESSAGE_BYTES_MAX", "LiveRoute"]

LIVE_PATH: Final = "/v1/live"
MESSAGE_BYTES_MAX: Final = 2**20
"""Ten seconds of sound at 48 kHz; what is longer is cut by whoever sends it."""

# Codes of RFC 6455, 7.4.1, and of IANA's registry.
_NORMAL, _POLICY, _FAILED, _AGAIN_LATER = 1000, 1008, 1011, 1013

_Deed: TypeAlias = Interrupt | Say | End
"""A word that has its place among the sound."""


class OriginError(VisemeError):
    """A page of another origin that the configuration does not name."""

    http_status = 403
    grpc_status = "PERMISSION_DENIED"


class LiveRoute:
    """Answers `/v1/live`.

    Args:
        house: what is behind the door.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    async def answer(self, socket: WebSocket) -> None:
        """Hold one conversation, from the handshake to the end."""
        await socket.accept()
        with suppress(WebSocketDisconnect):
            try:
                self._check_origin(socket)
                await _Conversation(self._house, socket).hold()
                await _close(socket, _NORMAL)
            except VisemeError as error:
                await _fail(socket, error)
            except asyncio.CancelledError:  # the server ends, and this is the last that it does
                await _fail(socket, stopping())

    def _check_origin(self, socket: WebSocket) -> None:
        """See whether the page that the socket is opened by may do so.

        A browser names the page's origin, and lets any page open a socket anywhere. It would not
        tell the page of a handshake that is refused; an error it does.

        Raises:
            OriginError: it may not.
        """
        origin = socket.headers.get("origin")
        if origin is None or urlsplit(origin).netloc == socket.headers.get("host"):
            return
        allowed = self._house.config.cors.origins
        if "*" not in allowed and origin not in allowed:
            raise OriginError(
                f"Pages of {origin[:200]} may not talk to this server; "
                "its operator can name them in cors.origins."
            )


class _Conversation:
    """One client's."""

    def __init__(self, house: House, socket: WebSocket) -> None:
        self._house = house
        self._socket = socket
        self._stall_s = house.desk.admission.limits.stall_s

    async def hold(self) -> None:
        """Have it; returns when the client has been told everything, or has gone.

        Raises:
            VisemeError: it ends otherwise.
            WebSocketDisconnect: the client has gone before it said hello.
        """
        hello = await self._hello()
        headers = self._socket.headers
        with self._house.desk.visit(
            "http",
            f"GET {LIVE_PATH}",
            # A page cannot send headers with a socket.
            authorization=headers.get("authorization") or f"Bearer {hello.token}",
            wanted_id=headers.get("x-request-id"),
            traceparent=headers.get("traceparent"),
        ) as visit:
            try:
                await self._talk(hello, visit)
            except WebSocketDisconnect:
                visit.code = CANCELLED

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(self._stall_s):
                message = await self._receive()
        except TimeoutError:
            raise DeadlineError(
                f"No hello has come for {self._stall_s:g} s; send it first."
            ) from None
        word = None if isinstance(message, bytes) else parse_word(message)
        if not isinstance(word, Hello):
            raise InputError("A live session begins with `hello`; send it before anything else.")
        if word.version != VERSION:
            raise InputError(
                f"The hello is of version {word.version}; this server speaks {VERSION}."
            )
        return word

    async def _talk(self, hello: Hello, visit: Visit) -> None:
        house = self._house
        with visit.admit(streams=1):
            name, _ = find_avatar(house.cast, hello.avatar)
            visit.fields["avatar"] = name
            options = LiveOptions(
                sound=hello.said_sound,
                pictures=hello.pictures,
                size=hello.picture_size,
                start_frame=hello.start_frame,
                behind_samples=hello.behind_samples,
                rests=hello.rest,
                sound_back=hello.sent_sound,
                stall_s=self._stall_s,
            )
            rendering = RenderOptions(latency=Latency(hello.latency))
            renderer = house.cast.renderer(name, rendering, lane=Lane.LIVE)
            session = LiveSession(renderer, options, house.desk.metrics, house.speaker)
            with ThreadPoolExecutor(3, thread_name_prefix="viseme-socket") as threads:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(threads, session.__enter__)
                try:
                    with house.desk.admission.telling(session.drain):
                        await self._send(_text(ready_words(name, session.ready)))
                        flow = LiveFlow(session, options.sound.rate_hz)
                        await self._exchange(session, flow, threads, visit)
                finally:
                    session.abandon()
                    await asyncio.shield(loop.run_in_executor(None, session.close))

    async def _exchange(
        self, session: LiveSession, flow: LiveFlow, threads: ThreadPoolExecutor, visit: Visit
    ) -> None:
        """Hand in and take, until the session is over or the client gone."""
        inbox: Inbox[_Deed] = Inbox()
        loop = asyncio.get_running_loop()
        reading = asyncio.create_task(self._read(session, flow, inbox, threads))
        handing_in = loop.run_in_executor(threads, _hand_in, session, inbox)
        taking = asyncio.create_task(self._tell(session, flow, threads, visit))
        parts = (reading, handing_in, taking)
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.abandon()  # frees who waits for its next picture, and who waits to hand in
            inbox.end()
            reading.cancel()
            results = await asyncio.gather(*parts, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _read(
        self,
        session: LiveSession,
        flow: LiveFlow,
        inbox: Inbox[_Deed],
        threads: ThreadPoolExecutor,
    ) -> None:
        """Answer what can be answered at once, and put the rest where it is handed in."""

        async def put(item: bytes | _Deed, size: int) -> None:
            if not inbox.offer(item, size):
                await asyncio.get_running_loop().run_in_executor(threads, inbox.put, item, size)

        while True:
            message = await self._receive()
            if isinstance(message, bytes):
                await put(message, len(message))
                continue
            try:
                word = parse_word(message)
                if isinstance(word, Hello):
                    raise InputError("A second `hello` has come; open another socket for it.")
            except InputError as error:
                session.fail(error)
                continue
            if isinstance(word, Interrupt):
                session.expect_interrupt()
                await flow.outbox.forget_pictures()
            if isinstance(word, _Deed):
                await put(word, len(message))
            elif isinstance(word, KeyFrame):
                session.begin_anew()
            elif isinstance(word, Stats):
                await flow.outbox.put(_text({"type": "stats", **flow.figures()}))
            else:
                await flow.outbox.put(_text(self._pong(word)))

    def _pong(self, word: Ping) -> dict[str, Any]:
        now = self._house.desk.metrics.now()
        return {
            "type": "pong",
            "id": word.id,
            "frames_per_s": round(now.frames_per_s, 2),
            "live_streams": now.streams,
            "live_streams_free": now.streams_free,
        }

    async def _tell(
        self, session: LiveSession, flow: LiveFlow, threads: ThreadPoolExecutor, visit: Visit
    ) -> None:
        """Take what the session gives, and send it as fast as the line takes it."""
        sending = asyncio.create_task(self._send_all(flow.outbox))
        # Who takes need not wait for a session that nobody hears.
        sending.add_done_callback(lambda _: session.abandon())
        try:
            await self._take(session, flow.outbox, threads)
        except asyncio.CancelledError:
            sending.cancel()
            raise
        finally:
            await flow.outbox.end()
            with suppress(asyncio.CancelledError):
                await sending
            figures = flow.outbox.figures
            visit.fields["pictures"] = figures.pictures_sent
            visit.fields["left_out"] = figures.pictures_left_out

    async def _take(
        self, session: LiveSession, outbox: Outbox, threads: ThreadPoolExecutor
    ) -> None:
        loop = asyncio.get_running_loop()
        while (event := await loop.run_in_executor(threads, session.take)) is not None:
            if isinstance(event, LivePicture):
                await outbox.put(media_message(event), event)
                continue
            if isinstance(event, LiveSound):
                await outbox.put(sound_message(event))
                continue
            if isinstance(event, Interrupted):  # what was being put then is forgotten, too
                await outbox.forget_pictures()
            await outbox.put(_text(event_words(event)))

    async def _send_all(self, outbox: Outbox) -> None:
        """Send what waits, each when the line is free, so that it may be left out until then."""
        drained = self._socket.scope[DRAINED]
        while True:
            await self._patiently(drained())
            message = await outbox.take()
            if message is None:
                return
            await self._send(message)

    async def _receive(self) -> bytes | str:
        """Wait for a message.

        Raises:
            WebSocketDisconnect: the client has gone.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        data: bytes | str | None = message.get("bytes")
        return str(message["text"]) if data is None else data

    async def _send(self, message: bytes | str) -> None:
        """Send a message.

        Raises:
            WebSocketDisconnect: the client has gone.
            DeadlineError: it reads nothing.
        """
        if isinstance(message, bytes):
            await self._patiently(self._socket.send_bytes(message))
        else:
            await self._patiently(self._socket.send_text(message))

    async def _patiently(self, sending: Awaitable[object]) -> None:
        """Wait for a client that does not read, but not for ever.

        Raises:
            DeadlineError: it reads nothing.
        """
        try:
            async with asyncio.timeout(self._stall_s):
                await sending
        except TimeoutError:
            raise DeadlineError(
                f"Nothing was read for {self._stall_s:g} s; read pictures as they come."
            ) from None


def _hand_in(session: LiveSession, inbox: Inbox[_Deed]) -> None:
    """Hand in all that comes, until the inbox is ended; on a thread of its own."""
    while (item := inbox.take()) is not None:
        if isinstance(item, list):
            session.push(*item)
        elif isinstance(item, Interrupt):
            session.interrupt()
        elif isinstance(item, Say):
            session.say(item.text, item.voice)
        else:
            session.end_of_speech()


def _text(words: dict[str, Any]) -> str:
    return encode_json(words).decode()


async def _fail(socket: WebSocket, error: VisemeError) -> None:
    """Say what is wrong, and close."""
    if isinstance(error, OverloadedError) or error.http_status == 503:
        code = _AGAIN_LATER
    else:
        is_the_clients = error.http_status < 500 or isinstance(error, DeadlineError)
        code = _POLICY if is_the_clients else _FAILED
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await socket.send_text(_text(error_words(error)))
    await _close(socket, code)


async def _close(socket: WebSocket, code: int) -> None:
    """Close, and break off where the client does not even read that."""
    try:
        async with asyncio.timeout(1):
            if socket.application_state is WebSocketState.CONNECTED:
                await socket.close(code)
    except RuntimeError:
        pass  # the client has closed it
    except TimeoutError:
        socket.scope[HANG_UP]()

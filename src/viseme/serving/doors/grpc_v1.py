"""`viseme.v1`: who can speak, clips, and live streams, on gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import grpc

from viseme.errors import InputError
from viseme.serving.clips import ClipPart, ClipSummary, render_clip
from viseme.serving.doors.grpc_calls import Arrival, Calls, typed
from viseme.serving.doors.grpc_live import live_method
from viseme.serving.doors.grpc_messages import avatar_message, clip_message, clip_request
from viseme.wire.messages import v1
from viseme.wire.services import GET_AVATAR, LIST_AVATARS, RENDER

__all__ = ["v1_handlers"]

_PIECE_BYTES: Final = 2**18
"""Well below the 4 MiB that gRPC's clients take unless told otherwise, and few messages yet."""


def v1_handlers(calls: Calls) -> grpc.GenericRpcHandler:
    """Answer `viseme.v1.Viseme`, for `GrpcDoor`."""
    house = calls.house
    cast, limits = house.cast, house.desk.admission.limits

    def list_avatars(_: Arrival, __: v1.ListAvatarsRequest) -> v1.ListAvatarsResponse:
        names = cast.report.avatars
        return v1.ListAvatarsResponse(
            avatars=[avatar_message(name, cast.avatar(name)) for name in names]
        )

    def get_avatar(_: Arrival, request: v1.GetAvatarRequest) -> v1.Avatar:
        return avatar_message(request.name, cast.avatar(request.name))

    def render(
        arrival: Arrival, requests: Iterator[v1.RenderRequest]
    ) -> Iterator[v1.RenderResponse]:
        with arrival.visit.admit(clips=1):
            sound = _Sound(requests)
            parts = render_clip(
                cast,
                clip_request(sound.start),
                sound,
                limits=limits,
                metrics=house.desk.metrics,
                deadline_s=arrival.deadline_s,
            )
            with closing(parts):
                for part in parts:
                    if isinstance(part, ClipSummary):
                        arrival.visit.fields["pictures"] = part.pictures
                    yield from map(clip_message, _cut(part))

    return calls.service(
        calls.unary(LIST_AVATARS, typed(LIST_AVATARS, list_avatars)),
        calls.unary(GET_AVATAR, typed(GET_AVATAR, get_avatar)),
        calls.streaming(RENDER, render),
        live_method(calls),
    )


def _cut(part: ClipPart) -> Iterator[ClipPart]:
    """Cut a piece of a video into some that every client takes."""
    if not isinstance(part, bytes):
        yield part
        return
    for start in range(0, len(part), _PIECE_BYTES):
        yield part[start : start + _PIECE_BYTES]


class _Sound:
    """The sound of a clip, read as it comes: a message at a time is in memory.

    Args:
        requests: the messages of the call; the first is awaited.

    Raises:
        InputError: there is none, or it does not say what to render.
    """

    def __init__(self, requests: Iterator[v1.RenderRequest]) -> None:
        self._requests = requests
        first = next(requests, None)
        if first is None or not first.HasField("start"):
            raise InputError(
                "A call of Render begins with `start`; send it in the first message, with or "
                "before the sound."
            )
        self.start = first.start
        """What to render."""
        self._piece = memoryview(first.sound)

    def read(self, size: int, /) -> bytes:
        """Give at most so many bytes, at least one, and none at the end.

        Raises:
            InputError: a later message begins another clip.
        """
        while not self._piece:
            request = next(self._requests, None)
            if request is None:
                return b""
            if request.HasField("start"):
                raise InputError("A second `start` has come; start another call for it.")
            self._piece = memoryview(request.sound)
        data, self._piece = self._piece[:size], self._piece[size:]
        return bytes(data)

"""`POST /v1/render`: a sound file in, a video out while it is made."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Final
from typing import cast as as_type

from viseme.errors import InputError
from viseme.serving.clips import ClipHeader, ClipRequest, ClipSummary, render_clip
from viseme.serving.doors.http_call import Call, Pace, check_type
from viseme.serving.doors.http_renders import RenderNotes
from viseme.serving.house import House
from viseme.video import StreamKind

__all__ = ["ClipRoute"]

_KINDS: Final = {"mp4": StreamKind.MP4, "webm": StreamKind.WEBM}
_PARAMETERS: Final = ("avatar", "format", "start_frame")
_SHOWN_MAX: Final = 40
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_FRAME_MAX: Final = 2**32 - 1
"""As much as gRPC can carry of a start frame."""

_SOUND_TYPES: Final = ("audio/*", "video/*", "application/ogg", "application/octet-stream")
_SLOWEST_BYTES_PER_S: Final = 500
"""Speech in the leanest codec, for whoever sends while it is spoken."""


class ClipRoute:
    """Renders clips.

    Args:
        house: what is behind the door.
        notes: told what becomes of each.
    """

    def __init__(self, house: House, notes: RenderNotes) -> None:
        self._house = house
        self._notes = notes
        self._limits = house.desk.admission.limits
        # Sound that is sent as it is spoken takes as long as it lasts.
        most_s = self._limits.clip_s + self._limits.stall_s
        self._pace = Pace(self._limits.stall_s, _SLOWEST_BYTES_PER_S, most_s)

    async def __call__(self, call: Call) -> None:
        """Render one, on one thread from its first byte to its last."""
        request = _request(call)
        check_type(call, *_SOUND_TYPES)
        with call.visit.admit(clips=1):
            # On the disk it is, not in memory, so none of its bytes are claimed.
            call.expect_body(self._pace, self._limits.message_bytes)
            await call.on_thread(self._render, call, request)

    def _render(self, call: Call, request: ClipRequest) -> None:
        parts = render_clip(
            self._house.cast,
            request,
            call,
            limits=self._limits,
            metrics=self._house.desk.metrics,
        )
        with closing(parts):
            header = as_type(ClipHeader, next(parts))
            call.visit.fields["avatar"] = header.avatar
            with self._notes.of(call.visit.caller, call.request_id, header.avatar) as note:
                call.write(call.begin(200, header.media_type))
                for part in parts:
                    match part:
                        case bytes():
                            call.write(call.send(part))
                        case ClipSummary():
                            call.visit.fields["frames"] = part.pictures
                            if part.warnings:
                                call.visit.fields["warning"] = part.warnings[0]
                            note.done(part)  # before its client can ask
                            call.write(call.send(b"", more=False))


def _request(call: Call) -> ClipRequest:
    """Read what is asked for, in the address.

    Raises:
        InputError: it makes no sense.
    """
    for name in call.query:
        if name not in _PARAMETERS:
            raise InputError(
                f"There is no parameter {name[:_SHOWN_MAX]!r}; there are: {', '.join(_PARAMETERS)}."
            )
    form = call.query.get("format", "mp4")
    if form not in _KINDS:
        raise InputError(
            f"There is no format {form[:_SHOWN_MAX]!r}; there are: {', '.join(_KINDS)}."
        )
    frame = call.query.get("start_frame", "0")
    if not _NUMBER.fullmatch(frame) or int(frame) > _FRAME_MAX:
        raise InputError(
            f"start_frame is {frame[:_SHOWN_MAX]!r}; it must be a whole number from 0 to "
            f"{_FRAME_MAX}."
        )
    return ClipRequest(
        avatar=call.query.get("avatar", ""), output=_KINDS[form], start_frame=int(frame)
    )

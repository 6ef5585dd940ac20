"""What becomes of clips: `GET /v1/renders/{id}`, since a video has no place to say it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from viseme.errors import VisemeError
from viseme.serving.clips import ClipSummary
from viseme.serving.doors.http_call import Call, ClientGoneError
from viseme.serving.doors.http_errors import NotThereError

__all__ = ["RENDERS_KEPT", "RenderNote", "RenderNotes"]

RENDERS_KEPT: Final = 1_000
"""Of how many clips it is known what became of them; a note has some hundred bytes."""
_UNFORESEEN: Final = "The server failed in a way that was not foreseen; its log has this request."
_LEFT: Final = "The client hung up before the end of the video."

_Key: TypeAlias = tuple[str | None, str]
"""Who asked, by the name of its token, and the request's id."""


@dataclass(slots=True)
class RenderNote:
    """What is known of a clip whose video has begun."""

    avatar: str
    state: Literal["running", "done", "failed"] = "running"
    summary: ClipSummary | None = None
    """Once it is done."""
    error: str = ""
    """Why it failed."""

    def done(self, summary: ClipSummary) -> None:
        """Note that all of it was made."""
        self.state, self.summary = "done", summary

    def as_json(self) -> dict[str, Any]:
        """Give it as a client is told."""
        told: dict[str, Any] = {"state": self.state, "avatar": self.avatar}
        if self.summary is not None:
            told |= {
                "pictures": self.summary.pictures,
                "duration_s": self.summary.duration_s,
                "next_frame": self.summary.next_frame,
                "warnings": list(self.summary.warnings),
            }
        return told | ({"error": self.error} if self.error else {})


class RenderNotes:
    """The notes of the last clips, each for who asked for it; for any thread.

    Args:
        kept: how many.
    """

    def __init__(self, kept: int = RENDERS_KEPT) -> None:
        self._kept = kept
        self._notes: OrderedDict[_Key, RenderNote] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, caller: str | None, request_id: str, avatar: str) -> Iterator[RenderNote]:
        """Keep the note of a clip that is rendered as long as the `with` statement lasts.

        Where a client gives an id to several of its requests, it is that of the last.
        """
        note = RenderNote(avatar)
        with self._lock:
            self._notes.pop((caller, request_id), None)
            self._notes[caller, request_id] = note
            while len(self._notes) > self._kept:
                self._notes.popitem(last=False)
        try:
            yield note
        except BaseException as error:
            if note.state == "running":  # who has the last byte may hang up at once
                note.state, note.error = "failed", _why(error)
            raise

    def find(self, caller: str | None, request_id: str) -> RenderNote | None:
        """Give the note of a client's clip; None where there is none."""
        with self._lock:
            return self._notes.get((caller, request_id))

    async def answer(self, call: Call) -> None:
        """Tell a client of one of its clips."""
        with call.visit.admit():
            note = self.find(call.visit.caller, call.path_params["request_id"])
            if note is None:
                raise NotThereError(
                    f"No video of yours that has begun is known by that request's id; the last "
                    f"{self._kept} are."
                )
            await call.answer_json(note.as_json())


def _why(error: BaseException) -> str:
    match error:
        case VisemeError():
            return str(error)
        case ClientGoneError():
            return _LEFT
        case _:
            return _UNFORESEEN

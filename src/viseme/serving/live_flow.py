"""Fits a live session to its client's line: what waits, what is left out, how good pictures are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from viseme.serving.live import LiveSession
from viseme.serving.live_quality import QUALITIES, LiveQuality
from viseme.serving.outbox import Outbox

__all__ = ["LiveFlow"]


class LiveFlow:
    """Watches the outbox of a session, and has the session do what follows from it.

    Everything here is for the event loop of its socket.

    Args:
        session: makes what is sent.
        rate_hz: samples a second of the client's sound.
        clock: gives seconds that never go back.
    """

    def __init__(
        self, session: LiveSession, rate_hz: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._quality = LiveQuality(clock)
        self.outbox = Outbox(rate_hz, self, clock)
        """What waits to be sent."""

    def sent(self, late_s: float) -> None:
        """See `OutboxWatcher`, like the next two."""
        self._quality.sent(late_s)
        self._session.be(self._quality.step)

    def left_out(self) -> None:
        """Go on with worse pictures."""
        self._quality.left_out()
        self._session.be(self._quality.step)

    def key_frame_wanted(self) -> None:
        """Have one made."""
        self._session.begin_anew()

    def figures(self) -> dict[str, Any]:
        """Tell how the conversation is, as the word `stats` has it."""
        form, now = self._session.form, self.outbox.figures
        return {
            "width": form.width,
            "height": form.height,
            "step": self._quality.step,
            "steps": len(QUALITIES),
            "kbit_per_s": round(now.bytes_per_s * 8 / 1000, 1),
            "pictures_sent": now.pictures_sent,
            "pictures_left_out": now.pictures_left_out,
            "groups_left_out": now.groups_left_out,
            "late_s": round(now.late_s, 3),
            "queue": now.waiting,
            "queue_bytes": now.waiting_bytes,
            "queue_bytes_most": now.most_bytes,
        }

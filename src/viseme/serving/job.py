"""One request's frames on their way through the scheduler."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from enum import IntEnum

import numpy as np

from viseme.engine import Tensor

__all__ = ["Job", "Lane"]


class Lane(IntEnum):
    """What a job is waited for by, the most urgent first."""

    LIVE = 0
    """A live stream: a frame that comes late is of no use."""
    PROMPT = 1
    """A request of a few frames that someone waits for."""
    BULK = 2
    """A whole clip: its length counts, not its single frames."""


class Job:
    """Frames to predict, with an array of their own for the answer.

    Its future is settled once, whoever comes first: the answer, an error, or the caller's
    `cancel`, which works until then.

    Args:
        visual: [B, 6, S, S], float32; not copied, so to be left as it is until the end.
        audio: a window for each frame, [B, 32, 16, 16].
        output_shape: the shape of one prediction, (3, S, S).
        faces: what each visual input is called, as in `Question`; nothing if none is.
        lane: how urgent it is.
        deadline_s: the `time.monotonic()` after which it is of no use; None if there is none.
        stream: what it takes turns as, together with all others of the same; by itself if None.
    """

    def __init__(
        self,
        visual: Tensor,
        audio: Tensor,
        output_shape: tuple[int, ...],
        *,
        faces: Sequence[str] = (),
        lane: Lane,
        deadline_s: float | None,
        stream: object | None,
    ) -> None:
        self.visual = visual
        self.audio = audio
        self.faces = faces or ("",) * len(visual)
        self.lane = lane
        self.deadline_s = deadline_s
        self.output: Tensor = np.empty((len(visual), *output_shape), dtype=np.float32)
        self.future: Future[Tensor] = Future()
        self.submitted_s = time.monotonic()
        self.begun = 0
        """Frames that were handed to a worker; the lanes' own count."""
        self._stream = stream
        self._missing = len(visual)
        self._settled = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.visual)

    @property
    def stream(self) -> object:
        """What it takes turns as."""
        return self if self._stream is None else self._stream

    def is_late(self, now_s: float) -> bool:
        """Tell whether its answer would be of no use any more."""
        return self.deadline_s is not None and now_s >= self.deadline_s

    def put(self, row: int, picture: Tensor) -> None:
        """Write down the prediction of one frame; the last one completes the job."""
        self.output[row] = picture
        with self._lock:
            self._missing -= 1
            complete = not self._missing
        if complete:
            self.succeed()

    def succeed(self) -> None:
        """Give the caller the answer, unless he has gone or had an error."""
        if self._claim():
            self.future.set_result(self.output)

    def fail(self, error: Exception) -> None:
        """Give the caller an error, unless he has gone or has his answer."""
        if self._claim():
            self.future.set_exception(error)

    def acknowledge_cancel(self) -> None:
        """Tell those who wait for a future that was cancelled; they would wait on otherwise."""
        self._claim()

    def _claim(self) -> bool:
        """Tell whether the future is still to be settled, by whoever asks this first."""
        with self._lock:
            if self._settled:
                return False
            self._settled = True
            return self.future.set_running_or_notify_cancel()

"""The contract of faces and windows: what is asked is checked, predicted, and composed if wanted.

gRPC and HTTP carry it; what they answer with is their own affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.avatar import Avatar, Geometry, crop_face
from viseme.compose import compose
from viseme.engine import BY_CONTENT, Tensor
from viseme.errors import AvatarError, InputError
from viseme.serving.cast import Cast
from viseme.serving.job import Lane
from viseme.serving.limits import BATCH_MAX

__all__ = ["TensorDesk", "TensorRequest"]

_PNG_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
"""Larger files in a third of the time: whoever asks for frames over a line waits for them."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TensorRequest:
    """A batch as a client sent it, flattened; `TensorDesk.checked` makes it one."""

    visual: Tensor
    """[B, 6, S, S], 0..1, B G R."""
    audio: Tensor
    """One window for all, [32, 16, 16], or one for each, [B, 32, 16, 16]."""
    start_frame: int
    """The place of the first frame in the order in which an avatar's frames are played."""

    def __len__(self) -> int:
        return len(self.visual)


class TensorDesk:
    """Answers batches of faces with the generator of a cast; for any thread.

    Args:
        cast: what is open.
        on_composed: told how many seconds each frame's composing and encoding took.
    """

    def __init__(self, cast: Cast, on_composed: Callable[[float], None]) -> None:
        self._scheduler = cast.tensors.scheduler
        self._avatar: Avatar | None = next(iter(cast.avatars), None)
        self._on_composed = on_composed
        self._info = self._scheduler.inferencer.info
        self._face = int(np.prod(self._info.visual_shape))
        self._window = int(np.prod(self._info.audio_shape))

    def checked(
        self, visual: Floats, audio: Floats, batch_size: int, start_frame: int
    ) -> TensorRequest:
        """Make a request of flat arrays, or say what is wrong with them in the contract's words.

        Args:
            visual: float32 [B·6·S·S].
            audio: float32 [n] of one window, or of B.
            batch_size: B, 1 to 25.
            start_frame: 0 or more.

        Raises:
            InputError: sizes do not fit.
        """
        if not 1 <= batch_size <= BATCH_MAX:
            raise InputError(f"Invalid batch size: {batch_size} (must be 1-{BATCH_MAX})")
        expected = batch_size * self._face
        if visual.size != expected:
            raise InputError(f"Invalid visual frames size: got {visual.size}, expected {expected}")
        shared = audio.size == self._window
        if not shared and audio.size != batch_size * self._window:
            either = f" or {batch_size * self._window}" if batch_size > 1 else ""
            raise InputError(
                f"Invalid audio features size: got {audio.size}, expected {self._window}{either}"
            )
        if start_frame < 0:
            raise InputError(f"Invalid start frame index: {start_frame} (must be 0 or more)")
        audio_shape: tuple[int, ...] = self._info.audio_shape
        return TensorRequest(
            # A view of a message may begin at any byte, and not every library copes with that.
            np.require(visual, requirements="A").reshape(batch_size, *self._info.visual_shape),
            np.require(audio, requirements="A").reshape(
                audio_shape if shared else (batch_size, *audio_shape)
            ),
            start_frame,
        )

    def submit(self, request: TensorRequest, deadline_s: float | None) -> Future[Tensor]:
        """Hand in a batch; cancel the future when its client has gone.

        Args:
            request: as `checked` made it.
            deadline_s: the `time.monotonic()` after which the answer is of no use.

        Returns:
            A future of the faces, float32 [B, 3, S, S], 0..1, B G R; see `Scheduler.submit`.

        Raises:
            InputError: values are not finite.
            UnavailableError: the server is stopping.
        """
        return self._scheduler.submit(
            request.visual,
            request.audio,
            faces=(BY_CONTENT,) * len(request),
            lane=Lane.PROMPT,
            deadline_s=deadline_s,
        )

    def check_composite(self) -> Avatar:
        """Give the avatar whose frames batches are composed into.

        Raises:
            AvatarError: this server has a bare network.
        """
        if self._avatar is None:
            raise AvatarError("This server has no avatar to composite into; start it with one.")
        return self._avatar

    def compose(self, request: TensorRequest, faces: Tensor) -> Iterator[bytes]:
        """Put a batch's faces into the avatar's frames, from the request's start on.

        Args:
            request: the one that was answered.
            faces: its answer.

        Yields:
            A PNG file of each full frame, made when it is taken.

        Raises:
            AvatarError: this server has a bare network.
        """
        avatar = self.check_composite()
        geometry = Geometry.for_input(self._info.size)
        for face, index in zip(faces, avatar.ping_pong(request.start_frame), strict=False):
            start_s = time.monotonic()
            frame, box = avatar.frame(index), avatar.box(index)
            image = compose(frame, box, crop_face(frame, box, geometry), face, geometry)
            encoded: Any = cv2.imencode(".png", image, _PNG_FAST)[1]
            self._on_composed(time.monotonic() - start_s)
            yield encoded.tobytes()

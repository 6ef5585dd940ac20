"""What the tests of this folder share: numbered frames, and small bundles of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viseme.avatar import FAMILY_168, About, Box, FrameFormat, save_bundle
from viseme.avatar.planes import Pixels, whole

FRAME_COUNT = 30
WIDTH, HEIGHT = 96, 64
_BITS = 10
_CELL = 16


def numbered(index: int) -> NDArray[np.uint8]:
    """Return a picture that shows its own number, in black and white squares."""
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for bit in range(_BITS):
        row, col = divmod(bit, WIDTH // _CELL)
        top, left = row * _CELL, col * _CELL
        frame[top : top + _CELL, left : left + _CELL] = 235 if index >> bit & 1 else 20
    return frame


def number_of(frame: Pixels) -> int:
    """Read the number off a picture of `numbered`."""
    picture = whole(frame)
    number = 0
    for bit in range(_BITS):
        row, col = divmod(bit, WIDTH // _CELL)
        top, left = row * _CELL + _CELL // 2, col * _CELL + _CELL // 2
        number |= int(picture[top, left, 1] > 128) << bit
    return number


def moving_boxes(count: int) -> list[Box]:
    """Return boxes that move from frame to frame and pass the frame's edges."""
    return [Box(i - 10, 20 - i, i + 30, 60 - i) for i in range(count)]


def make_bundle(
    base: Path,
    name: str = "tiny",
    *,
    count: int = FRAME_COUNT,
    frame_format: FrameFormat | None = None,
) -> Path:
    """Write a small bundle to `base`/avatars/`name` and return its folder."""
    base.mkdir(parents=True, exist_ok=True)
    network = base / "network.onnx"
    network.write_bytes(b"stands for a network")
    return save_bundle(
        base / "avatars" / name,
        frames=(numbered(index) for index in range(count)),
        boxes=moving_boxes(count),
        generator=network,
        audio_encoder=network,
        about=About(name=name, title=name.title(), licence="CC0", recipe={"seed": 7}),
        geometry=FAMILY_168,
        frame_format=frame_format or FrameFormat(),
    )

"""An avatar whose face is a lamp, lit exactly while there is sound, and sound to light it with.

How it can be exact. Picture `i` is to be seen from `i / 25` s on, for 40 ms. Its window's own
feature (number 8 of 16) is a patch of mel frames from `int(3.2 (i - 1))` on, and mel frame `m` is
the sound around `m / 80` s, 25 ms to each side. So the frame in column 5 of that patch is the sound
around 12.5 to 22.5 ms after the picture's time. A burst that begins and ends where pictures do
fills such a frame in each picture of its own; the picture after it hears the end of the burst 20 dB
or more below, and the one before it less. The lamp's level is between.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.probes import lamp, lamp_encoder
from viseme.avatar import FAMILY_328, About, Box, FrameFormat, save_bundle

BURST_S = 0.12
"""Three pictures."""
SIZE = (240, 200)
FACE = (120, 90)
"""A point in the face: white or black while there is speech, and grey at rest."""
STRIP = (120, 190)
"""A point that is of another grey in each frame that follows another."""
_BOX = Box(40, 10, 200, 170)
_FRAMES = 7
_TONE_HZ = 1000


def make_lamp(folder: Path) -> Path:
    """Write the avatar to a new folder, and return it."""
    work = folder.parent / f"{folder.name}-networks"
    work.mkdir(parents=True)
    return save_bundle(
        folder,
        frames=(_frame(number) for number in range(_FRAMES)),
        boxes=[_BOX] * _FRAMES,
        generator=lamp(work / "generator.onnx"),
        audio_encoder=lamp_encoder(work / "encoder.onnx"),
        about=About(name=folder.name, title="Lamp"),
        geometry=FAMILY_328,
        frame_format=FrameFormat("png"),
    )


def bursts(seconds: int, rate_hz: int) -> NDArray[np.int16]:
    """Make silence with a tone of `BURST_S` at each whole second but the first: int16 [n]."""
    time_s = np.arange(seconds * rate_hz) / rate_hz
    is_loud = (time_s >= 1) & (time_s % 1 < BURST_S)
    return _tone(time_s, is_loud)


def steady(seconds: float, rate_hz: int) -> NDArray[np.int16]:
    """Make a tone without an end: int16 [n]."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return _tone(time_s, np.ones(len(time_s), bool))


def _tone(time_s: NDArray[np.float64], is_loud: NDArray[np.bool_]) -> NDArray[np.int16]:
    tone = np.where(is_loud, 0.5 * np.sin(2 * np.pi * _TONE_HZ * time_s), 0)
    return np.round(32767 * tone).astype(np.int16)


def _frame(number: int) -> NDArray[np.uint8]:
    """Make a frame of plain colours, which no codec changes much: uint8 [H, W, 3].

    Beside the face is something that costs bits, or no line would be too slow for it.
    """
    width, height = SIZE
    frame = np.full((height, width, 3), 128, np.uint8)
    frame[10:170, :36] += np.random.default_rng(number).integers(0, 30, (160, 36, 1), np.uint8)
    frame[180:] = 40 + 30 * number
    return frame

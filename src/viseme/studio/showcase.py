"""The pictures of the front page: eight frames with their phonemes, and a moving one.

``python -m viseme.studio.showcase docs/images`` renders the demonstration's speech with the
built-in avatar and writes both.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ
from viseme.avatar import Avatar, Box, load_avatar
from viseme.rendering import render
from viseme.studio.sheet import write_sheet
from viseme.studio.speech import Phone, Utterance
from viseme.studio.speech.demo import demo_speech

__all__ = ["write_showcase"]

SHOWN = ("p", "ay", "v", "ow", "iy", "w", "s", "dh")
"""Phonemes whose mouths tell themselves apart."""
PICTURE_SIDE = 300
MOVING_SIZE = (480, 270)
MOVING_S = 6.0
MOVING_RATE_HZ = 12.5

Picture = NDArray[np.uint8]


def write_showcase(folder: Path) -> None:
    """Write ``demo.png`` (the contact sheet) and ``demo.webp`` (the moving picture)."""
    speech = demo_speech()
    with load_avatar("demo") as avatar:
        moments = _moments(speech.phones)
        sheet, moving = _pictures(avatar, speech, moments)
    folder.mkdir(parents=True, exist_ok=True)
    write_sheet(folder / "demo.png", [sheet[:4], sheet[4:]])
    _write_moving(folder / "demo.webp", moving)


def _moments(phones: Sequence[Phone]) -> dict[int, str]:
    """Return the frame at the middle of the longest example of each phoneme that is shown."""
    moments = {}
    for symbol in SHOWN:
        examples = [phone for phone in phones if phone.symbol == symbol]
        longest = max(examples, key=lambda phone: phone.end_s - phone.start_s)
        moments[round(longest.centre_s * FRAME_RATE_HZ)] = symbol
    return moments


def _pictures(
    avatar: Avatar, speech: Utterance, moments: dict[int, str]
) -> tuple[list[tuple[Picture, str]], list[Picture]]:
    sheet: list[tuple[Picture, str]] = []
    moving: list[Picture] = []
    step = FRAME_RATE_HZ / MOVING_RATE_HZ
    for frame in render(speech.samples, avatar):
        if frame.index in moments:
            face = _around(frame.image, avatar.box(frame.avatar_frame))
            sheet.append((face, f"/{moments[frame.index]}/  {frame.time_s:.2f} s"))
        if frame.time_s < MOVING_S and frame.index % step < 1:
            small = cv2.resize(frame.image, MOVING_SIZE, interpolation=cv2.INTER_AREA)
            moving.append(small.astype(np.uint8, copy=False))
    return sheet, moving


def _around(image: Picture, box: Box) -> Picture:
    """Cut the whole head out of a frame: the box holds its lower half alone."""
    height, width = image.shape[:2]
    side = min(round(box.side * 1.5), height)
    centre_x, centre_y = (box.x1 + box.x2) // 2, box.y1 + round(box.side * 0.25)
    x = int(np.clip(centre_x - side // 2, 0, width - side))
    y = int(np.clip(centre_y - side // 2, 0, height - side))
    part = cv2.resize(
        image[y : y + side, x : x + side],
        (PICTURE_SIDE, PICTURE_SIDE),
        interpolation=cv2.INTER_AREA,
    )
    return part.astype(np.uint8, copy=False)


def _write_moving(path: Path, pictures: Sequence[Picture]) -> None:
    with av.open(str(path), "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=round(MOVING_RATE_HZ * 2))
        stream.width, stream.height = MOVING_SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"quality": "70", "compression_level": "6"}
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts = 2 * index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Parse the command line and write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m viseme.studio.showcase", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    write_showcase(parser.parse_args().folder)


if __name__ == "__main__":
    main()

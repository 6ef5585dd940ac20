"""Writes the frames of an avatar as a video that is quick to enter anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from viseme.avatar.colour import BT709, LIMITED_RANGE
from viseme.avatar.planes import Planes
from viseme.errors import OutputError

__all__ = ["write_frames"]

_RATE_HZ = 25
_KEY_FRAME_EVERY = 12
"""Frames between key frames. Ping-pong order reads half of the video backwards, a group at a time:
short groups keep what must be decoded and held for that small, at about a tenth more bytes."""


def write_frames(
    path: Path, frames: Iterable[NDArray[np.uint8]], size: tuple[int, int], crf: int
) -> int:
    """Write frames as H.264 in MP4.

    Args:
        path: where to.
        frames: uint8 [H, W, 3], B, G, R.
        size: their width and height, both even.
        crf: x264's quality, 0..51; less is better.

    Returns:
        The number of frames.

    Raises:
        OutputError: the size is odd, or the encoder fails.
    """
    width, height = size
    if width % 2 or height % 2:
        raise OutputError(
            f"Frames of {width}x{height} cannot be stored as video: both must be even. "
            "Crop them, or store them as PNG."
        )
    options = {
        "crf": str(crf),
        "preset": "medium",
        # Written once and read for ever: a tenth more bytes, for half the time of decoding.
        "tune": "fastdecode",
        "g": str(_KEY_FRAME_EVERY),
        "bf": "0",  # no frame depends on a later one: order of decoding is order of showing
        "sc_threshold": "0",  # key frames at equal distances
    }
    count = 0
    try:
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=_RATE_HZ, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED_RANGE
            for count, picture in enumerate(frames, start=1):
                frame = Planes.of(picture).video_frame()
                frame.pts = count - 1
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise OutputError(f"{path.name} cannot be written: {error.strerror}.") from error
    return count

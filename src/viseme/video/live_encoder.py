"""A stream of video for someone who is watching: each picture goes out when it comes in.

Nothing is looked ahead, no picture refers to a later one, and any picture can be made a key frame.
There is no container: whoever carries the stream says when a picture is to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

import av
import numpy as np
from av.video.frame import PictureType

from viseme.avatar.colour import BT709, LIMITED_RANGE
from viseme.avatar.planes import Planes
from viseme.errors import OutputError
from viseme.video.steady import steady_x264
from viseme.video.target import output_errors

__all__ = [
    "LIVE_RECIPES",
    "EncodedPicture",
    "EncoderRate",
    "LiveCodec",
    "LiveEncoder",
    "LiveRecipe",
    "codec_string",
]

KEY_FRAME_EVERY_S: Final = 2
"""How long someone waits at most who has lost a picture and cannot say so."""
_RATE_HZ: Final = 25
_OUT = "the stream"
_BUFFER_S: Final = 0.5
"""Over how long a bit rate is kept: no key frame takes longer on a line that is as fast."""
_SEQUENCE_PARAMETERS: Final = b"\x00\x00\x01\x67"
_BITS_PER_PIXEL: Final = 2.0
"""A second, where the encoder wants a bit rate: 1.8 Mbit/s for 1280x720. Little moves."""


class LiveCodec(Enum):
    """How a stream is encoded; the value is its name in contracts."""

    H264 = "h264"
    """Access units in the byte stream format (Annex B), parameter sets before each key frame."""
    VP8 = "vp8"
    VP9 = "vp9"


class EncodedPicture(NamedTuple):
    """What a picture became."""

    data: bytes
    is_key: bool
    """Whether decoding can begin with it."""


@dataclass(frozen=True, slots=True)
class EncoderRate:
    """How many bits a stream may take."""

    crf: int = 25
    """How coarse H.264 is where it has bits enough: 0 is without loss, and 6 more are half the
    bits."""
    bits_per_pixel: float | None = None
    """A second, at most, kept over half a second; None for as many as there must be in H.264, and
    the usual rate in the others."""


@dataclass(frozen=True, slots=True)
class LiveRecipe:
    """An encoder and its settings."""

    encoder: str
    options: dict[str, str]
    needs_bit_rate: bool = False
    codec_string: str = ""
    """Where it does not depend on the stream."""


_VPX = {"deadline": "realtime", "lag-in-frames": "0", "error-resilient": "1"}
LIVE_RECIPES: Final = {
    LiveCodec.H264: LiveRecipe(
        "libx264",
        # A key frame is one that decoding can begin with (forced-idr).
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "sc_threshold": "0",  # nor one that nobody asked for
            # What that preset leaves out and takes next to no time: a quarter of the bits. The
            # next preset takes a third more time for as many.
            "x264-params": steady_x264("8x8dct=1:cabac=1:deblock=0,0:partitions=i8x8,i4x4"),
        },
    ),
    LiveCodec.VP8: LiveRecipe("libvpx", {**_VPX, "cpu-used": "8"}, True, "vp8"),
    LiveCodec.VP9: LiveRecipe("libvpx-vp9", {**_VPX, "cpu-used": "8"}, True, "vp09.00.31.08"),
}


class LiveEncoder:
    """An encoder of one stream; for one thread at a time.

    Args:
        codec: how it is encoded.
        width: of the pictures in pixels, even.
        height: likewise.
        rate: how many bits it may take.

    Raises:
        OutputError: the encoder does not take that size.
    """

    def __init__(
        self, codec: LiveCodec, width: int, height: int, rate: EncoderRate = EncoderRate()
    ) -> None:
        recipe = LIVE_RECIPES[codec]
        # PyAV types a context by its codec's name, which is not known here.
        context: Any = av.CodecContext.create(recipe.encoder, "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, _RATE_HZ), Fraction(_RATE_HZ)
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        context.gop_size = KEY_FRAME_EVERY_S * _RATE_HZ
        context.max_b_frames = 0
        # One stream is not to take the cores of the others.
        context.thread_count = 1
        context.options = dict(recipe.options)
        bits_per_s = int((rate.bits_per_pixel or _BITS_PER_PIXEL) * width * height)
        if recipe.needs_bit_rate:
            context.bit_rate = bits_per_s
        else:
            context.options["crf"] = str(rate.crf)
            if rate.bits_per_pixel is not None:
                context.options["maxrate"] = str(bits_per_s)
                context.options["bufsize"] = str(int(bits_per_s * _BUFFER_S))
        with output_errors(_OUT):
            context.open()
        self._context = context
        self._count = 0

    def encode(self, picture: Planes, *, key: bool = False) -> EncodedPicture:
        """Encode the next picture.

        Args:
            picture: of the encoder's size.
            key: whether decoding must be able to begin with it: what came before may be lost.

        Raises:
            OutputError: the encoder has failed.
        """
        frame = picture.video_frame()
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        self._count += 1
        with output_errors(_OUT):
            packets = self._context.encode(frame)
        if len(packets) != 1:
            raise OutputError(f"The encoder gave {len(packets)} pictures for one; begin again.")
        return EncodedPicture(bytes(packets[0]), bool(packets[0].is_keyframe))


@lru_cache(maxsize=64)
def codec_string(codec: LiveCodec, width: int, height: int) -> str:
    """Name the codec of a stream as browsers do (RFC 6381).

    Args:
        codec: that of the stream.
        width: of its pictures in pixels, even.
        height: likewise.

    Raises:
        OutputError: the encoder does not take that size.
    """
    if known := LIVE_RECIPES[codec].codec_string:
        return known
    # Profile, constraints and level are for the encoder to choose: they are the three bytes after
    # the header of the sequence parameter set (H.264, 7.3.2.1.1), before the first key frame.
    first = LiveEncoder(codec, width, height).encode(
        Planes.of(np.zeros((height, width, 3), np.uint8))
    )
    start = first.data.index(_SEQUENCE_PARAMETERS) + len(_SEQUENCE_PARAMETERS)
    return f"avc1.{first.data[start : start + 3].hex().upper()}"

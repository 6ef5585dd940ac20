"""One stream of a container each: pictures or sound in, packets out."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer

from viseme.avatar.colour import BT709, LIMITED_RANGE
from viseme.avatar.planes import Pixels, Planes
from viseme.video.sinks import Format
from viseme.video.sound import Block

__all__ = ["PictureRecipe", "PictureTrack", "SoundRecipe", "SoundTrack"]


@dataclass(frozen=True, slots=True)
class PictureRecipe:
    """A video codec and its options."""

    codec: str
    options: dict[str, str]
    threads: int
    """One number everywhere: the bytes of x264 and libvpx depend on it, and the same frames are to
    give the same file on every machine."""


@dataclass(frozen=True, slots=True)
class SoundRecipe:
    """A sound codec and what it is given."""

    codec: str
    bit_rate_per_channel: int | None = None
    rates_hz: tuple[int, ...] = field(default=())
    """The rates it is used at; any other becomes the last of them. Empty: it takes any."""

    def rate_for(self, rate_hz: int) -> int:
        """Return the rate that sound of `rate_hz` is stored at."""
        if not self.rates_hz or rate_hz in self.rates_hz:
            return rate_hz
        return self.rates_hz[-1]


class PictureTrack:
    """The pictures of a file: BT.709 in limited range, an even number of pixels each way."""

    def __init__(self, container: OutputContainer, form: Format, recipe: PictureRecipe) -> None:
        self._container = container
        self._time_base = 1 / form.rate_hz
        self._count = 0
        width, height = form.size
        # PyAV types a stream by its codec's name, which is not known here.
        stream: Any = container.add_stream(
            recipe.codec, rate=form.rate_hz, options=dict(recipe.options)
        )
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.thread_count = recipe.threads
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        context.flags |= int(Flags.bitexact)
        self._stream = stream

    def write(self, picture: Pixels) -> None:
        """Encode the next picture."""
        planes = picture if isinstance(picture, Planes) else Planes.of(picture)
        frame = planes.video_frame()
        frame.pts = self._count
        frame.time_base = self._time_base
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def flush(self) -> None:
        """Write the pictures that the encoder still holds."""
        self._container.mux(self._stream.encode(None))


class SoundTrack:
    """The sound of a file."""

    def __init__(self, container: OutputContainer, form: Format, recipe: SoundRecipe) -> None:
        self._container = container
        self._rate_hz = form.sound_rate_hz
        self._layout = "mono" if form.channels == 1 else "stereo"
        self._samples = 0
        stream: Any = container.add_stream(
            recipe.codec, rate=recipe.rate_for(form.sound_rate_hz), layout=self._layout
        )
        if recipe.bit_rate_per_channel is not None:
            stream.bit_rate = recipe.bit_rate_per_channel * form.channels
        stream.codec_context.flags |= int(Flags.bitexact)
        self._stream = stream

    def write(self, block: Block) -> None:
        """Encode the next stretch, float32 [channels, n]."""
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", self._layout)
        frame.sample_rate = self._rate_hz
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._rate_hz)
        self._container.mux(self._stream.encode(frame))
        self._samples += block.shape[1]

    def flush(self) -> None:
        """Write the samples that the encoder still holds."""
        self._container.mux(self._stream.encode(None))

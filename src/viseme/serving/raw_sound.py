"""Samples without a header around them, as a microphone or a synthesizer gives them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viseme.errors import InputError

__all__ = ["RawSound", "SampleFormat"]

_PCM: Final = 1
_FLOAT: Final = 3
_NO_END: Final = 0xFFFFFFFF
"""What stands for the length in the header of a recording that is still going on."""


class SampleFormat(Enum):
    """How a number stands for the air pressure, little-endian; the value is its bits."""

    U8 = 8
    """0 to 255, silence is 128."""
    S16 = 16
    S32 = 32
    F32 = -32
    """Floating point, -1 to 1."""


_DTYPES: Final = {
    SampleFormat.U8: "<u1",
    SampleFormat.S16: "<i2",
    SampleFormat.S32: "<i4",
    SampleFormat.F32: "<f4",
}


@dataclass(frozen=True, slots=True)
class RawSound:
    """What the bytes of such sound are."""

    rate_hz: int
    """Samples a second of each channel."""
    channels: int = 1
    """Their samples are interleaved."""
    format: SampleFormat = SampleFormat.S16

    def __post_init__(self) -> None:
        """Refuse what no recording has.

        Raises:
            InputError: rate or channels are out of their range.
        """
        if not 1_000 <= self.rate_hz <= 4_000_000:
            raise InputError(
                f"The sound's rate is {self.rate_hz} Hz, which must be from 1000 to 4000000."
            )
        if not 1 <= self.channels <= 255:
            raise InputError(
                f"The sound has {self.channels} channels, which must be from 1 to 255."
            )

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * abs(self.format.value) // 8

    def samples(self, data: bytes) -> NDArray[Any]:
        """Read the samples that bytes are: [n, channels] in their own type, a view of the bytes.

        Raises:
            InputError: the last one is not whole.
        """
        if len(data) % self.sample_bytes:
            raise InputError(
                f"The sound has {len(data)} bytes, and {self.channels} channel"
                f"{'s' if self.channels > 1 else ''} of {self.format.name} have "
                f"{self.sample_bytes} bytes a sample; send whole samples."
            )
        return np.frombuffer(data, _DTYPES[self.format]).reshape(-1, self.channels)

    def reader(self) -> Callable[[bytes], NDArray[Any]]:
        """Give what reads one stream of bytes: `samples`, for no bytes depend on those before."""
        return self.samples

    def wave_header(self) -> bytes:
        """Give the header that makes a WAV file of unknown length of the samples after it."""
        bits = abs(self.format.value)
        kind = _FLOAT if self.format is SampleFormat.F32 else _PCM
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF",
            _NO_END,
            b"WAVE",
            b"fmt ",
            16,
            kind,
            self.channels,
            self.rate_hz,
            (self.rate_hz * self.sample_bytes) & _NO_END,
            self.sample_bytes,
            bits,
            b"data",
            _NO_END,
        )

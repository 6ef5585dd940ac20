"""Samples without a header around them, as a client describes them once and then sends them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viseme.audio import Resampler
from viseme.errors import InputError

__all__ = ["RawSound", "SampleType"]


class SampleType(StrEnum):
    """How a number stands for the air pressure, all little-endian; the values are NumPy's names."""

    U8 = "<u1"
    """0 to 255, silence is 128."""
    S16 = "<i2"
    """-32768 to 32767."""
    S32 = "<i4"
    """-2147483648 to 2147483647."""
    F32 = "<f4"
    """Floating point, -1 to 1."""


@dataclass(frozen=True, slots=True)
class RawSound:
    """What the bytes of a sound are.

    Raises:
        InputError: no sound has such a rate, or so many channels.
    """

    rate_hz: int
    """Samples a second of each channel, 1000 to 4000000."""
    channels: int = 1
    """1 to 255, their samples interleaved."""
    sample_type: SampleType = SampleType.S16

    def __post_init__(self) -> None:
        """Refuse what cannot be resampled before any sound comes."""
        Resampler(self.rate_hz, self.channels)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * np.dtype(self.sample_type.value).itemsize

    def samples(self, data: bytes | memoryview) -> NDArray[Any]:
        """Read the samples that bytes are: [n, channels], a view of them.

        Raises:
            InputError: the last one is not whole.
        """
        if len(data) % self.sample_bytes:
            raise InputError(
                f"The sound has {len(data)} bytes, and {self.channels} channel"
                f"{'s' if self.channels > 1 else ''} of {self.sample_type.name} have "
                f"{self.sample_bytes} bytes a sample; send whole samples."
            )
        return np.frombuffer(data, self.sample_type.value).reshape(-1, self.channels)

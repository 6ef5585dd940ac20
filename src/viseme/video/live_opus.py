"""A stream of Opus packets for someone who is listening."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from viseme.errors import OutputError
from viseme.video.target import output_errors

__all__ = ["OPUS_RATE_HZ", "OPUS_SKIP_SAMPLES", "OpusEncoder", "OpusPacket"]

OPUS_RATE_HZ: Final = 48_000
"""What decoders give, whatever the sound was."""
OPUS_SKIP_SAMPLES: Final = 312
"""libopus looks that far ahead: a decoder's first samples are none of the sound."""
_PACKET_SAMPLES: Final = 960
"""20 ms, which every decoder takes; shorter ones cost more bytes."""
_BIT_RATE: Final = 32_000
"""For speech of one channel nothing is heard of it."""


class OpusPacket(NamedTuple):
    """A packet as WebCodecs takes it, without a container."""

    data: bytes
    start: int
    """The sample at which what it holds of the sound begins, at 48 kHz."""
    samples: int
    """How many of the sound it holds, without those to skip."""


class OpusEncoder:
    """Encodes one sound; for one thread at a time.

    Raises:
        OutputError: there is no such encoder here.
    """

    def __init__(self) -> None:
        # PyAV types a context by its codec's name.
        context: Any = av.CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format = OPUS_RATE_HZ, "mono", "s16"
        context.bit_rate = _BIT_RATE
        context.options = {"application": "audio", "frame_duration": "20"}
        with output_errors("the sound"):
            context.open()
        # The header of a file would tell it (RFC 7845, 5.1); clients are told by a constant.
        skip = int.from_bytes(bytes(context.extradata)[10:12], "little")
        if skip != OPUS_SKIP_SAMPLES:
            raise OutputError(f"This libopus looks {skip} samples ahead; use PyAV's own wheels.")
        self._context = context
        self._waiting = np.empty(0, np.int16)
        self._given = 0
        self._packets = 0

    def push(self, samples: NDArray[np.int16]) -> list[OpusPacket]:
        """Take int16 [n], 48 kHz mono, and give the packets that are complete."""
        self._waiting = np.concatenate([self._waiting, samples])
        whole = len(self._waiting) - len(self._waiting) % _PACKET_SAMPLES
        packets = [
            packet
            for start in range(0, whole, _PACKET_SAMPLES)
            for packet in self._encode(self._waiting[start : start + _PACKET_SAMPLES])
        ]
        self._waiting = self._waiting[whole:]
        return packets

    def flush(self) -> list[OpusPacket]:
        """End the sound and give the rest of it."""
        rest = self._encode(self._waiting) if len(self._waiting) else []
        self._waiting = np.empty(0, np.int16)
        return [*rest, *self._encode(None)]

    def _encode(self, samples: NDArray[np.int16] | None) -> list[OpusPacket]:
        frame = None
        if samples is not None:
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = OPUS_RATE_HZ
            frame.pts = self._given
            self._given += len(samples)
        with output_errors("the sound"):
            encoded = self._context.encode(frame)
        return [self._packet(bytes(each)) for each in encoded]

    def _packet(self, data: bytes) -> OpusPacket:
        begin = _PACKET_SAMPLES * self._packets - OPUS_SKIP_SAMPLES
        end = min(begin + _PACKET_SAMPLES, self._given)
        self._packets += 1
        start = max(begin, 0)
        return OpusPacket(data, start, max(end - start, 0))

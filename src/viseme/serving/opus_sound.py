"""Sound as packets of Opus (RFC 6716), one a message, as browsers encode it.

A packet needs no container: its first byte says how long it is, and decoding gives as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from viseme.errors import InputError

__all__ = ["OPUS_RATE_HZ", "OpusSound", "packet_samples"]

OPUS_RATE_HZ: Final = 48_000
"""At which all of Opus is decoded, whatever it was encoded from."""
_PACKET_BYTES_MAX: Final = 2**13
"""120 ms of the highest rate that there is, 510 kbit/s, take 7,650."""
_PACKET_SAMPLES_MAX: Final = 5_760
"""120 ms."""

# RFC 6716, table 2: samples of a frame by the configuration, which is in the first byte.
_SILK: Final = (480, 960, 1_920, 2_880)
_HYBRID: Final = (480, 960)
_CELT: Final = (120, 240, 480, 960)
_FRAME_SAMPLES: Final = _SILK * 3 + _HYBRID * 2 + _CELT * 4


@dataclass(frozen=True, slots=True)
class OpusSound:
    """What the packets of such sound are."""

    rate_hz: int = OPUS_RATE_HZ
    """In whose samples positions are counted."""
    channels: int = 1
    """To how many it is decoded; any packet can be to either."""

    def __post_init__(self) -> None:
        """Refuse what Opus is not.

        Raises:
            InputError: rate or channels are others than those of Opus.
        """
        if self.rate_hz != OPUS_RATE_HZ:
            raise InputError(
                f"The sound's rate is {self.rate_hz} Hz, and packets of Opus are decoded at "
                f"{OPUS_RATE_HZ}; say that rate, and count positions in its samples."
            )
        if self.channels not in {1, 2}:
            raise InputError(
                f"The sound has {self.channels} channels, and packets of Opus have 1 or 2; send "
                "one of these."
            )

    def reader(self) -> OpusReader:
        """Make what reads one stream of packets."""
        return OpusReader(self.channels)


class OpusReader:
    """Reads the packets of one stream, in order; for one thread.

    Args:
        channels: 1 or 2.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        # PyAV types a context by its codec's name, and knows audio by another one.
        decoder: Any = av.CodecContext.create("libopus", "r")
        decoder.sample_rate = OPUS_RATE_HZ
        decoder.layout = "mono" if channels == 1 else "stereo"
        self._decoder = decoder

    def __call__(self, packet: bytes) -> NDArray[np.int16]:
        """Decode the next packet: int16 [n, channels], as many as the packet says.

        Raises:
            InputError: it is none.
        """
        samples = packet_samples(packet)
        try:
            frames = self._decoder.decode(av.Packet(packet))
        except av.FFmpegError as error:
            raise InputError(_BROKEN) from error
        # Samples of both channels are side by side in the one plane that there is.
        decoded = [frame.to_ndarray().reshape(-1, self._channels) for frame in frames]
        if sum(map(len, decoded)) != samples:
            raise InputError(_BROKEN)
        return np.concatenate(decoded)


_BROKEN: Final = (
    "A message is no packet of Opus; send one packet in each message, without a container."
)


def packet_samples(packet: bytes) -> int:
    """Tell how many samples at 48 kHz a packet holds (RFC 6716, 3.1 and 3.2).

    Raises:
        InputError: it is none, or too large.
    """
    if len(packet) > _PACKET_BYTES_MAX:
        raise InputError(
            f"A packet of Opus has {len(packet)} bytes, more than the {_PACKET_BYTES_MAX} that are "
            "taken; send one packet in each message."
        )
    if not packet:
        raise InputError(_BROKEN)
    many = packet[0] & 3
    if many == 3 and len(packet) < 2:
        raise InputError(_BROKEN)
    frames = (1, 2, 2, packet[1] & 63 if many == 3 else 0)[many]
    samples = frames * _FRAME_SAMPLES[packet[0] >> 3]
    if not 0 < samples <= _PACKET_SAMPLES_MAX:
        raise InputError(_BROKEN)
    return samples

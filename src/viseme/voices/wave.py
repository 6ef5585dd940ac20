"""Samples out of what speech programs print."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import numpy as np

from viseme.errors import VoiceError
from viseme.voices.synthesizer import Sound

__all__ = ["sound_of_pcm", "sound_of_wave"]

_HEADER_BYTES_MAX: Final = 4096
_PCM: Final = 1


def sound_of_pcm(blocks: Iterable[bytes], rate_hz: int) -> Iterator[Sound]:
    """Turn int16 samples, little-endian and mono, into sound; blocks may end in a sample."""
    rest = b""
    for block in blocks:
        data = rest + block
        whole = len(data) - len(data) % 2
        rest = data[whole:]
        if whole:
            pcm = np.frombuffer(data[:whole], "<i2")
            yield Sound(np.asarray(pcm / np.float32(32768), np.float32), rate_hz)


def sound_of_wave(blocks: Iterable[bytes], name: str) -> Iterator[Sound]:
    """Turn a WAV file of 16 bits and one channel into sound, whatever length it says it has.

    Args:
        blocks: the file, as it comes; an empty one has no sound.
        name: the program's, for what errors say.

    Raises:
        VoiceError: it is none.
    """
    blocks = iter(blocks)
    head = b""
    for block in blocks:
        head += block
        found = _format(head)
        if found is not None:
            rate_hz, begin = found
            yield from sound_of_pcm(chain((head[begin:],), blocks), rate_hz)
            return
        if len(head) > _HEADER_BYTES_MAX:
            break
    if head:
        raise VoiceError(f"{name} gives no WAV file of 16 bits and one channel.")


def _format(head: bytes) -> tuple[int, int] | None:
    """Give the rate of a WAV file, and where its samples begin; None before both are known."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    place, rate_hz = 12, 0
    while place + 8 <= len(head):
        kind, size = struct.unpack_from("<4sI", head, place)
        place += 8
        if kind == b"data":
            return (rate_hz, place) if rate_hz else None
        if kind == b"fmt " and place + 16 <= len(head):
            code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, place)
            rate_hz = rate if (code, channels, bits) == (_PCM, 1, 16) else 0
        place += size + size % 2
    return None

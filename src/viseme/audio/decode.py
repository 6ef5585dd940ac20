"""Files to 16 kHz mono, block by block."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from viseme.audio.resample import Resampler
from viseme.audio.units import SAMPLE_RATE_HZ, Samples
from viseme.errors import InputError, VisemeWarning

if TYPE_CHECKING:
    from viseme.audio.source import Source

__all__ = ["SoundInfo", "decode", "length_s", "probe", "read"]


@dataclass(frozen=True)
class SoundInfo:
    """What a file says of its sound; lengths are None where it does not say."""

    duration_s: float | None
    """How long it is; of a raw AAC or MP3 file an estimate."""
    rate_hz: int
    channels: int
    codec: str
    stated_s: float | None = None
    """How long its header states that it is; never an estimate."""


def decode(
    source: str | Path | BinaryIO,
    *,
    block_s: float = 1.0,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Samples]:
    """Decode a file block by block: float32 `[block_s * 16000]`, the last one shorter.

    `source` is a path, or a file open for reading in binary mode, which is read from its
    beginning where it can seek, and left open. Memory does not grow with its length.

    Raises `InputError`, with the first block at the earliest, where the source cannot be read or
    has no sound that can be decoded. A source that is damaged or cut off gives what can be
    decoded, and a `VisemeWarning` that says how much that was; with `on_damage` the sentence goes
    there instead, for warnings belong to the whole process and not to one file.
    """
    block = round(block_s * SAMPLE_RATE_HZ)
    if block < 1:
        raise ValueError(f"block_s must be at least one sample long, got {block_s}")
    return _in_blocks(_resampled(source, on_damage or _warn), block)


def read(source: str | Path | BinaryIO) -> Samples:
    """Decode the whole of a file at once, as `decode` does: float32 `[n]`, 16 kHz mono."""
    return np.concatenate(list(decode(source)))


def probe(source: str | Path | BinaryIO) -> SoundInfo:
    """Tell what a file says of its sound, without decoding it.

    Raises `InputError` as `decode` does.
    """
    with _opened(source) as sound:
        codec = sound.stream.codec_context
        return SoundInfo(
            sound.duration_s(),
            codec.sample_rate,
            codec.channels,
            codec.codec.canonical_name,
            sound.stated_s,
        )


def length_s(source: str | Path | BinaryIO) -> float:
    """Tell how long the sound of a file is, without decoding it.

    It is what its header states or, where that states nothing, what its packets add up to, for
    which all of the file is read.

    Raises `InputError` as `decode` does.
    """
    with _opened(source) as sound:
        return sound.packets_s() if sound.stated_s is None else sound.stated_s


def _opened(source: str | Path | BinaryIO) -> AbstractContextManager[Source]:
    # Only here, because PyAV takes as long to import as NumPy.
    from viseme.audio.source import opened  # noqa: PLC0415

    return opened(source)


def _resampled(
    source: str | Path | BinaryIO, on_damage: Callable[[str], None]
) -> Generator[Samples]:
    """Decode and resample in pieces of about a packet; rate and channels may change on the way."""
    count = 0
    with _opened(source) as sound:
        for piece in _resample(sound):
            count += len(piece)
            yield piece
        if count == 0:
            raise InputError(
                f"{sound.name} has no sound that can be decoded: record or export it again."
            )
        damage = sound.damage()
    if damage:
        on_damage(damage)


def _warn(damage: str) -> None:
    warnings.warn(damage, VisemeWarning, stacklevel=3)


def _resample(sound: Source) -> Iterator[Samples]:
    resampler: Resampler | None = None
    kind = (0, 0)
    for samples, rate_hz in sound.chunks():
        if resampler is None or kind != (rate_hz, samples.shape[1]):
            if resampler is not None:
                yield resampler.flush()
            kind = (rate_hz, samples.shape[1])
            resampler = Resampler(*kind, start_s=sound.decoded_s, name=sound.name)
        yield resampler.push(samples)
    if resampler is not None:
        yield resampler.flush()


def _in_blocks(pieces: Generator[Samples], size: int) -> Iterator[Samples]:
    """Cut pieces of any sizes into blocks of `size`, the last one shorter."""
    waiting: list[Samples] = []
    count = 0
    with closing(pieces):  # so that a consumer that stops early closes the file at once
        for piece in pieces:
            waiting.append(piece)
            count += len(piece)
            if count >= size:
                joined = np.concatenate(waiting)
                whole = count - count % size
                yield from np.split(joined[:whole], range(size, whole, size))
                waiting, count = [joined[whole:]], count % size
    if count:
        yield np.concatenate(waiting)

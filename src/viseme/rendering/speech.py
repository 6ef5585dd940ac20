"""Speech in any of the forms it is given in, for the network's ears and for the viewers'."""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viseme import audio
from viseme.audio import SAMPLE_RATE_HZ, Samples
from viseme.audio.source import Source, opened
from viseme.errors import InputError

__all__ = ["Pieces", "Speech", "SpeechSource", "open_speech"]

Speech: TypeAlias = str | Path | BinaryIO | tuple[ArrayLike, int] | NDArray[Any]
"""A path, a file open for reading in binary mode, (samples, rate in Hz), or samples at 16 kHz.

Samples are [n] or [n, channels], floating point in -1..1 or of any integer type.
"""

_SLICE_SAMPLES = 16_384

OnDamage: TypeAlias = Callable[[str], None]
Pieces: TypeAlias = Generator[tuple[NDArray[Any], int], None, None]


class SpeechSource(ABC):
    """Speech that can be gone through more than once, in constant memory."""

    @abstractmethod
    def samples(self, on_damage: OnDamage | None = None) -> Iterator[Samples]:
        """Give the sound as the network hears it: blocks of float32 [n], 16 kHz mono.

        What is wrong with it and was passed over goes to `on_damage`, a sentence each, or without
        that to Python's warnings.
        """

    @abstractmethod
    def pieces(self) -> Pieces:
        """Give the sound as it came: pieces of [n, channels] in any type, each with its rate."""

    @abstractmethod
    def length_s(self) -> float:
        """How long it is: as it states or, without that, as its packets are; nothing is decoded."""

    @abstractmethod
    def stated_s(self) -> float | None:
        """How long it states that it is; None where that is unknown or an estimate."""


@contextmanager
def open_speech(speech: Speech, *, twice: bool = False) -> Iterator[SpeechSource]:
    """Make a source of speech in any form.

    A pipe or a file object gives its content only once: where it is needed `twice`, it is copied
    to a temporary file, which is removed at the end.

    Raises:
        InputError: it is none of the forms, or cannot be read.
    """
    if isinstance(speech, str | Path):
        if twice and _is_pipe(speech):
            with Path(speech).open("rb") as pipe, _copied(pipe) as copy:
                yield copy
        else:
            yield _FileSource(speech)
    elif hasattr(speech, "read"):
        file = cast(BinaryIO, speech)
        if twice:
            with _copied(file) as copy:
                yield copy
        else:
            yield _FileSource(file)
    else:
        yield _SamplesSource(speech)


class _FileSource(SpeechSource):
    """A file by its path; a file object, for one pass."""

    def __init__(self, file: str | Path | BinaryIO) -> None:
        self._file = file

    def samples(self, on_damage: OnDamage | None = None) -> Iterator[Samples]:
        return audio.decode(self._file, on_damage=on_damage)

    def pieces(self) -> Pieces:
        with opened(self._file) as sound:
            yield from _chunks(sound)

    def length_s(self) -> float:
        return audio.length_s(self._file)

    def stated_s(self) -> float | None:
        return audio.probe(self._file).stated_s


class _CopySource(SpeechSource):
    """A temporary copy, opened anew for each pass, without a name that errors could tell."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def samples(self, on_damage: OnDamage | None = None) -> Iterator[Samples]:
        with self._open() as file:
            yield from audio.decode(file, on_damage=on_damage)

    def pieces(self) -> Pieces:
        with self._open() as file, opened(file) as sound:
            yield from _chunks(sound)

    def length_s(self) -> float:
        with self._open() as file:
            return audio.length_s(file)

    def stated_s(self) -> float | None:
        with self._open() as file:
            return audio.probe(file).stated_s

    def _open(self) -> BinaryIO:
        return os.fdopen(os.open(self._path, os.O_RDONLY), "rb")


class _SamplesSource(SpeechSource):
    """Samples in memory."""

    def __init__(self, speech: tuple[ArrayLike, int] | ArrayLike) -> None:
        pair = speech if isinstance(speech, tuple) else (speech, SAMPLE_RATE_HZ)
        if len(pair) != 2:
            raise InputError(
                f"The speech is {len(pair)} values; give a pair of samples and their rate in Hz."
            )
        samples, rate_hz = pair
        array = np.asarray(samples)
        if array.ndim not in (1, 2) or array.size == 0:
            raise InputError(
                f"The speech is an array of shape {list(array.shape)}; give samples as [n] or "
                "[n, channels], a pair of these and their rate in Hz, or a file."
            )
        self._samples = array[:, None] if array.ndim == 1 else array
        self._rate_hz = rate_hz
        # Refuses what the network cannot hear before the viewers' sound is made of it.
        audio.Resampler(rate_hz, self._samples.shape[1]).push(self._samples[:0])

    def samples(self, on_damage: OnDamage | None = None) -> Iterator[Samples]:
        resampler = audio.Resampler(self._rate_hz, self._samples.shape[1])
        for piece, _ in self.pieces():
            yield resampler.push(piece)
        yield resampler.flush()

    def pieces(self) -> Pieces:
        for start in range(0, len(self._samples), _SLICE_SAMPLES):
            yield self._samples[start : start + _SLICE_SAMPLES], self._rate_hz

    def length_s(self) -> float:
        return float(len(self._samples) / self._rate_hz)

    def stated_s(self) -> float | None:
        return self.length_s()


def _is_pipe(path: str | Path) -> bool:
    try:
        return Path(path).is_fifo()
    except OSError:  # opening it will say why
        return False


def _chunks(sound: Source) -> Pieces:
    empty = True
    for chunk in sound.chunks():
        empty = False
        yield chunk
    if empty:
        raise InputError(
            f"{sound.name} has no sound that can be decoded: record or export it again."
        )


@contextmanager
def _copied(file: BinaryIO) -> Iterator[_CopySource]:
    with tempfile.TemporaryDirectory(prefix="viseme-") as folder:
        path = Path(folder) / "speech"
        try:
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
        except (OSError, TypeError) as error:
            raise InputError(
                f"The sound cannot be read from its stream ({error}): give a file, or a stream "
                "open in binary mode."
            ) from error
        yield _CopySource(path)

"""Speech in any of the forms it is given in, for the network's ears and for the viewers'."""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viseme import audio
from viseme.audio import SAMPLE_RATE_HZ, Samples
from viseme.errors import InputError
from viseme.video import Sound, open_sound, sound_of_samples

__all__ = ["Speech", "SpeechSource", "open_speech"]

Speech: TypeAlias = str | Path | BinaryIO | tuple[ArrayLike, int] | NDArray[Any]
"""A path, a file open for reading in binary mode, (samples, rate in Hz), or samples at 16 kHz.

Samples are [n] or [n, channels], floating point in -1..1 or of any integer type.
"""

_SLICE_SAMPLES = 16_384


class SpeechSource(ABC):
    """Speech that can be gone through more than once, in constant memory."""

    @abstractmethod
    def samples(self) -> Iterator[Samples]:
        """Give the sound as the network hears it: blocks of float32 [n], 16 kHz mono."""

    @abstractmethod
    def sound(self) -> AbstractContextManager[Sound]:
        """Give the sound as viewers hear it, at its own rate."""

    @abstractmethod
    def duration_s(self) -> float | None:
        """How long it says it is; None where it does not say."""


@contextmanager
def open_speech(speech: Speech, *, twice: bool = False) -> Iterator[SpeechSource]:
    """Make a source of speech in any form.

    A pipe or a file object gives its content only once: where it is needed `twice`, it is copied
    to a temporary file, which is removed at the end.

    Raises:
        InputError: it is none of the forms, or cannot be read.
    """
    if isinstance(speech, str | Path):
        if twice and Path(speech).is_fifo():
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

    def samples(self) -> Iterator[Samples]:
        return audio.decode(self._file)

    def sound(self) -> AbstractContextManager[Sound]:
        return open_sound(self._file)

    def duration_s(self) -> float | None:
        return audio.probe(self._file).duration_s


class _CopySource(SpeechSource):
    """A temporary copy, opened anew for each pass, without a name that errors could tell."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def samples(self) -> Iterator[Samples]:
        with self._open() as file:
            yield from audio.decode(file)

    @contextmanager
    def sound(self) -> Iterator[Sound]:
        with self._open() as file, open_sound(file) as sound:
            yield sound

    def duration_s(self) -> float | None:
        with self._open() as file:
            return audio.probe(file).duration_s

    def _open(self) -> BinaryIO:
        return os.fdopen(os.open(self._path, os.O_RDONLY), "rb")


class _SamplesSource(SpeechSource):
    """Samples in memory."""

    def __init__(self, speech: tuple[ArrayLike, int] | ArrayLike) -> None:
        samples, rate_hz = speech if isinstance(speech, tuple) else (speech, SAMPLE_RATE_HZ)
        self._samples = np.asarray(samples)
        self._rate_hz = rate_hz
        if self._samples.ndim not in (1, 2) or self._samples.size == 0:
            raise InputError(
                f"The speech is an array of shape {list(self._samples.shape)}; give samples as "
                "[n] or [n, channels], a pair of these and their rate in Hz, or a file."
            )

    def samples(self) -> Iterator[Samples]:
        channels = 1 if self._samples.ndim == 1 else self._samples.shape[1]
        resampler = audio.Resampler(self._rate_hz, channels)
        for start in range(0, len(self._samples), _SLICE_SAMPLES):
            yield resampler.push(self._samples[start : start + _SLICE_SAMPLES])
        yield resampler.flush()

    @contextmanager
    def sound(self) -> Iterator[Sound]:
        yield sound_of_samples(self._samples, self._rate_hz)

    def duration_s(self) -> float | None:
        return float(len(self._samples) / self._rate_hz)


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

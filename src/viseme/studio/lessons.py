"""What a teacher shows: faces, windows of speech, and the pictures that a network makes of them.

A teacher is slow, so a lesson is made once, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.audio import Samples, mel_spectrogram, windows
from viseme.audio.features import Encode, features
from viseme.audio.windows import WINDOW_SHAPE
from viseme.avatar import Avatar, Geometry, crop_face, visual_input
from viseme.engine import Inferencer
from viseme.errors import InputError
from viseme.studio.batches import planes
from viseme.studio.records import Records, make_records

__all__ = ["Faces", "Lesson", "Lessons", "Teacher"]

WINDOWS_OF_A_SPEECH: Final = 5
"""How many a speech gives that has been heard for them."""
FACES_MOVED: Final = 12
WINDOWS_OF_A_FACE: Final = 8
"""As many of these are looked at to find out where pictures follow the sound."""
FACES_MAX: Final = 300
"""Of an avatar's frames, that are learned from; 92 MB at 320 x 320."""


class Lesson(NamedTuple):
    """One picture of the teacher, and what it was made of."""

    face: NDArray[np.uint8]
    """``[3, S, S]``, B, G, R: the inner square of the crop."""
    window: NDArray[np.float32]
    """``[32, 16, 16]``"""
    picture: NDArray[np.uint8]
    """``[3, S, S]``"""


class Faces(NamedTuple):
    """The faces of an avatar as a network sees them."""

    crops: NDArray[np.uint8]
    """``[F, crop, crop, 3]``"""
    geometry: Geometry

    @classmethod
    def of(cls, avatar: Avatar) -> Faces:
        """Cut them out of frames all over the avatar's video, `FACES_MAX` at most."""
        count = min(FACES_MAX, avatar.frame_count)
        numbers = np.linspace(0, avatar.frame_count - 1, count).round().astype(int)
        crops = [crop_face(avatar.pixels(i), avatar.box(i), avatar.geometry) for i in numbers]
        return cls(np.stack(crops), avatar.geometry)

    def planes(self, number: int) -> NDArray[np.uint8]:
        """Return one as a lesson has it."""
        return planes(self.crops[number], self.geometry)

    def visual(self, numbers: NDArray[np.int_]) -> NDArray[np.float32]:
        """Return some as a network takes them: ``[B, 6, S, S]``, 0..1."""
        return np.stack([visual_input(self.crops[i], self.geometry) for i in numbers])


class Lessons(Sequence[Lesson]):
    """Lessons on disk, read as they are asked for.

    Args:
        records: what `Teacher.lessons` has made.
        faces: whose lessons they are.
    """

    def __init__(self, records: Records, faces: Faces) -> None:
        self._records = records
        self._faces = faces

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Lesson: ...
    @overload
    def __getitem__(self, index: slice) -> list[Lesson]: ...
    def __getitem__(self, index: int | slice) -> Lesson | list[Lesson]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        entry = self._records[index]
        return Lesson(self._faces.planes(int(entry["face"])), entry["window"], entry["picture"])


class Teacher:
    """A generator that is asked what it would draw.

    Args:
        network: asked.
        encode: hears the speech, as the avatar does.
        faces: which it is shown.
    """

    def __init__(self, network: Inferencer, encode: Encode, faces: Faces) -> None:
        self._network = network
        self._encode = encode
        self._faces = faces

    def lessons(
        self,
        folder: Path,
        speeches: Sequence[Samples],
        count: int,
        *,
        seed: int,
        on_progress: Callable[[int], None] = lambda made: None,
    ) -> Lessons:
        """Make lessons, or take those that are there already.

        Args:
            folder: where they are kept, and nothing else; one for each teacher, seed and speech.
            speeches: pieces of speech, 16 kHz mono.
            count: how many there are to be.
            seed: with a file's number, decides everything about its lessons.
            on_progress: told how many there are by now.

        Raises:
            InputError: there is no speech.
            OutputError: the folder cannot be written.
        """
        if not speeches:
            raise InputError("There is no speech to learn from; give some more of it.")

        def make(number: int, size: int) -> NDArray[Any]:
            return self._make(speeches, np.random.default_rng([seed, number]), size)

        return Lessons(make_records(folder, "lessons", count, make, on_progress), self._faces)

    def movement(self, speeches: Sequence[Samples], *, seed: int) -> NDArray[np.float32]:
        """Find out where the pictures follow the sound.

        A network redraws all of a face, and none of it to the bit. What it makes the same
        whatever it hears is no part of speaking.

        Args:
            speeches: pieces of speech, 16 kHz mono.
            seed: decides what is heard.

        Returns:
            float32 ``[S, S]``: by how many steps of 8 bits a pixel moves, root mean square of what
            some windows make of one face, the mean of its channels, of some faces the most.
        """
        rng = np.random.default_rng(seed)
        size = self._faces.geometry.inner
        most = np.zeros((size, size), np.float32)
        count = len(self._faces.crops)
        for face in np.linspace(0, count - 1, min(count, FACES_MOVED)).round().astype(np.int_):
            heard = np.stack([self._window(speeches, rng) for _ in range(WINDOWS_OF_A_FACE)])
            visual = self._faces.visual(np.full(len(heard), face))
            drawn = np.clip(self._network.infer_batch(visual, heard) * np.float32(255), 0, 255)
            np.maximum(most, drawn.std(axis=0).mean(axis=0), out=most)
        return np.asarray(cv2.blur(most, (3, 3)), np.float32)  # single pixels are rounding

    def _window(self, speeches: Sequence[Samples], rng: np.random.Generator) -> NDArray[np.float32]:
        heard = self._windows(speeches[int(rng.integers(len(speeches)))])
        return np.asarray(heard[int(rng.integers(len(heard)))], np.float32)

    def _make(
        self, speeches: Sequence[Samples], rng: np.random.Generator, count: int
    ) -> NDArray[Any]:
        size = self._faces.geometry.inner
        lessons = np.empty(
            count,
            [("face", "<i4"), ("window", "<f4", WINDOW_SHAPE), ("picture", "u1", (3, size, size))],
        )
        for first in range(0, count, WINDOWS_OF_A_SPEECH):
            some = lessons[first : first + WINDOWS_OF_A_SPEECH]
            heard = self._windows(speeches[int(rng.integers(len(speeches)))])
            some["face"] = rng.integers(len(self._faces.crops), size=len(some))
            some["window"] = heard[rng.integers(len(heard), size=len(some))]
            drawn = self._network.infer_batch(self._faces.visual(some["face"]), some["window"])
            some["picture"] = np.clip(drawn * np.float32(255), 0, 255).round()
        return lessons

    def _windows(self, speech: Samples) -> NDArray[np.float32]:
        return windows(features(mel_spectrogram(speech), self._encode))

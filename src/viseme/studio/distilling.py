"""Teaching a small network to draw what a large one draws, for one avatar.

A generator of the family's full size takes a GPU, or several processors, to be in time. For one
avatar it need not be that large: `distill` asks it what it would draw of the avatar's faces and all
kinds of speech, and trains a network of the shape of the built-in avatar's to draw the same.
The tensors stay what they were, and so does the avatar's hearing, so that the new generator takes
the old one's place.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from viseme.audio import Samples
from viseme.audio.windows import WINDOW_SHAPE
from viseme.avatar import FAMILY_328, Avatar, Geometry
from viseme.avatar.bundle import digest
from viseme.avatar.saving import check_place, save_variant
from viseme.engine import AudioEncoder, Inferencer, ModelInfo
from viseme.errors import InputError, ModelError
from viseme.studio.batches import Batch, BatchShape, visual_of
from viseme.studio.export import export_generator
from viseme.studio.figures import psnr_db
from viseme.studio.lessons import Faces, Lesson, Lessons, Teacher
from viseme.studio.networks import Area, GeneratorConfig, NetworkConfig
from viseme.studio.training import Phase, Trainer, TrainingOptions
from viseme.video.target import output_errors

__all__ = [
    "DistillOptions",
    "Distilled",
    "TaughtSource",
    "distill",
    "drawn_area",
    "small_generator",
]

LADDER: Final = (48, 80, 128, 256)
WINDOW_RANK: Final = 64
PICTURES: Final = 12
TESTED: Final = 100
"""Lessons that say where the teacher draws and are not learned from, of speech that is not heard in
any that is."""
TESTED_EVERY: Final = 10
MOVED: Final = 2.0
"""Steps of 8 bits: what the sound moves by less is left as it is."""
TIMED: Final = 20
FINER_SHARE: Final = 0.35
"""Of the steps that go by the norms' statistics in use."""


@dataclass(frozen=True, slots=True)
class DistillOptions:
    """How much is learned."""

    lessons: int = 2000
    """Pictures that the teacher is asked for; 340 KB of disk each at 320 x 320."""
    steps: int = 4000
    """Of 12 lessons."""
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Distilled:
    """What came of it, measured on speech that was not learned from."""

    psnr_db: float
    """Of the new network's pictures against the teacher's, in the part that is drawn; the mean."""
    untouched_psnr_db: float
    """Of the faces as they were against the teacher's pictures."""
    teacher_ms: float
    """A frame, one after the other; the median."""
    student_ms: float
    drawn: Area
    """The part of the crop that is drawn."""
    tested: int
    """Pictures compared."""

    def as_dict(self) -> dict[str, JsonValue]:
        """Return plain values for JSON."""
        return {
            "psnr_db": round(self.psnr_db, 2),
            "untouched_psnr_db": round(self.untouched_psnr_db, 2),
            "teacher_ms": round(self.teacher_ms, 2),
            "student_ms": round(self.student_ms, 2),
            "drawn": [list(span) for span in self.drawn],
            "tested": self.tested,
        }


class TaughtSource:
    """Lessons as batches.

    Args:
        lessons: what is learned.
        geometry: of the faces.
        mouth: float32 ``[S, S]``, what counts most.
        seed: with the step's number, decides everything about a batch.
    """

    def __init__(
        self, lessons: Lessons, geometry: Geometry, mouth: NDArray[np.float32], *, seed: int = 0
    ) -> None:
        self._lessons = lessons
        self._geometry = geometry
        self._mouth = mouth
        self._seed = seed

    def batch(self, step: int, shape: BatchShape) -> Batch:
        """Make the batch of one step: a picture of each clip, whatever else the shape says."""
        rng = np.random.default_rng([self._seed, step])
        numbers = rng.integers(len(self._lessons), size=shape.clips)
        lessons = [self._lessons[int(number)] for number in numbers]
        faces = np.stack([lesson.face for lesson in lessons])
        size = self._geometry.inner
        nothing = np.empty((shape.clips, 0), np.float32)
        return Batch(
            patches=nothing,
            valid=nothing,
            phones=nothing.astype(np.int64),
            poses=np.empty(0, np.float32),
            picks=np.zeros((shape.clips, 1), np.int64),
            visual=visual_of(faces, faces, self._geometry),
            target=np.stack([lesson.picture for lesson in lessons]),
            shown=np.empty(0, np.float32),
            mouth=np.broadcast_to(self._mouth, (shape.clips, 1, size, size)).copy(),
            windows=np.stack([lesson.window for lesson in lessons]),
        )


def distill(
    avatar: Avatar,
    folder: Path,
    *,
    speeches: Sequence[Samples],
    work: Path,
    model: Path | None = None,
    options: DistillOptions = DistillOptions(),
    on_progress: Callable[[str], None] = lambda sentence: None,
) -> Distilled:
    """Teach a small network what an avatar's generator draws, and write an avatar that has it.

    What was interrupted goes on when it is called again with the same arguments.

    Args:
        avatar: its faces, its hearing and, without `model`, its generator are what is learned.
        folder: that of the new avatar; must not exist, or be empty.
        speeches: pieces of speech, 16 kHz mono, twenty or more: every tenth is for the test.
        work: where lessons and checkpoints are kept; one for each distillation.
        model: the teacher, in place of the avatar's generator.
        options: how much is learned.
        on_progress: told what is being done.

    Returns:
        What came of it; the new avatar's manifest has the same in its recipe.

    Raises:
        InputError: there is too little speech, or `work` is that of another distillation.
        ModelError: the teacher cannot be read, or is not of the larger family.
        OutputError: the new avatar cannot be written.
    """
    if len(speeches) < 2 * TESTED_EVERY:
        raise InputError(
            f"There is too little speech to learn from, {len(speeches)} of {2 * TESTED_EVERY} "
            "pieces; give some minutes more of it."
        )
    check_place(folder)
    learned = [speech for i, speech in enumerate(speeches) if i % TESTED_EVERY]
    teacher_file = model or avatar.generator
    with (
        Inferencer(teacher_file) as network,
        AudioEncoder(avatar.audio_encoder) as encode,
    ):
        _check_fits(network.info, avatar)
        _claim(work, avatar, teacher_file, speeches, options)
        faces = Faces.of(avatar)
        teacher = Teacher(network, encode, faces)
        tested = teacher.lessons(
            work / "tested", speeches[::TESTED_EVERY], TESTED, seed=options.seed + 1
        )
        movement = teacher.movement(learned, seed=options.seed)
        area = drawn_area(movement)  # before the many lessons, for there may be nothing to learn
        taught = teacher.lessons(
            work / "taught",
            learned,
            options.lessons,
            seed=options.seed,
            on_progress=lambda made: on_progress(f"{made} of {options.lessons} lessons."),
        )
        teacher_ms = _ms_a_frame(network, faces, tested)
    recipe = training_options(area, options)
    source = TaughtSource(taught, avatar.geometry, _mouth(movement), seed=options.seed)
    on_progress("Training.")
    net = Trainer(source, work / "training", recipe).run()
    generator = work / "generator.onnx"
    export_generator(net.generator, generator)
    with Inferencer(generator) as student:
        on_progress("Comparing.")
        result = _compared(student, faces, tested, area, teacher_ms)
    save_variant(
        avatar,
        folder,
        generator=generator,
        recipe={"distilled": result.as_dict(), **recipe.as_recipe()},
    )
    return result


def small_generator(drawn: Area | None) -> GeneratorConfig:
    """Return what is taught: the built-in avatar's shape, whatever the poses are."""
    return GeneratorConfig(
        ladder=LADDER,
        fold=4,
        up_expand=1,
        whole_window=True,
        window_rank=WINDOW_RANK,
        gate=True,
        drawn=drawn,
    )


def training_options(area: Area, options: DistillOptions) -> TrainingOptions:
    """Return the recipe of a network that draws an area of the crop."""
    whole = area == ((0, FAMILY_328.inner), (0, FAMILY_328.inner))
    shape = BatchShape(clips=PICTURES, frames=1, pictures=1)
    finer = round(FINER_SHARE * options.steps)
    return TrainingOptions(
        network=NetworkConfig(small_generator(None if whole else area)),
        phases=(
            Phase("as shown", options.steps - finer, shape, (1.5e-3, 4e-4)),
            Phase("as in use", finer, shape, (8e-4, 1e-5), norms_rest=True),
        ),
        warm_up_steps=min(100, options.steps // 20),
        workers=0,  # to read a lesson takes no time
        seed=options.seed,
        device=options.device,
    )


def drawn_area(movement: NDArray[np.float32]) -> Area:
    """Return the rows and columns in which a teacher follows the sound, to tenths of the crop.

    Args:
        movement: float32 ``[S, S]``, as `Teacher.movement` gives it.

    Raises:
        InputError: it follows it nowhere.
    """
    place = len(movement) // 10
    places = movement.reshape(10, place, 10, place).max(axis=(1, 3)) > MOVED
    rows, columns = (np.flatnonzero(places.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise InputError(
            "The network draws the same whatever it hears; there is nothing to learn from it."
        )
    spans = ((int(some[0]) * place, (int(some[-1]) + 1) * place) for some in (rows, columns))
    top, left = spans
    return top, left


def _mouth(movement: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what counts most, 0..1: where there is most to draw."""
    blurred = cv2.blur(movement, (17, 17))
    return np.asarray(blurred / blurred.max(), np.float32)


def _claim(
    work: Path,
    avatar: Avatar,
    teacher: Path,
    speeches: Sequence[Samples],
    options: DistillOptions,
) -> None:
    """Note what a working folder is for, and refuse one that is for something else."""
    heard = hashlib.sha256()
    for speech in speeches:
        heard.update(np.ascontiguousarray(speech, np.float32).data)
    files = avatar.manifest.sha256
    purpose = {
        "teacher": digest(teacher),
        "faces": files.frames,
        "boxes": files.boxes,
        "audio_encoder": files.audio_encoder,
        "speech": heard.hexdigest(),
        "lessons": options.lessons,
        "steps": options.steps,
        "seed": options.seed,
    }
    note = work / "purpose.json"
    with output_errors(work):
        work.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            note.write_text(json.dumps(purpose, indent=2), "utf-8")
            return
        text = note.read_text("utf-8")
    try:
        found = dict(json.loads(text))
    except (ValueError, TypeError):
        found = {}
    others = [name for name, value in purpose.items() if found.get(name) != value]
    if others:
        raise InputError(
            f"{work} holds what was made for something else (not the same "
            f"{others[0].replace('_', ' ')}); choose another working folder, or remove it."
        )


def _check_fits(info: ModelInfo, avatar: Avatar) -> None:
    """Refuse a network that the avatar could not be rendered with."""
    found = (info.size, info.audio_shape, avatar.geometry)
    if found != (FAMILY_328.inner, WINDOW_SHAPE, FAMILY_328):
        raise ModelError(
            f"{info.path} draws faces of {info.size} pixels and hears windows of "
            f"{list(info.audio_shape)}, for an avatar with faces of {avatar.geometry.inner}; only "
            f"{FAMILY_328.inner} with {list(WINDOW_SHAPE)} can be learned from: take another."
        )


def _ms_a_frame(network: Inferencer, faces: Faces, lessons: Sequence[Lesson]) -> float:
    visual = faces.visual(np.zeros(1, np.int_))[0]
    taken = []
    for lesson in lessons[:TIMED]:
        start_s = time.perf_counter()
        network.infer(visual, lesson.window)
        taken.append(time.perf_counter() - start_s)
    return 1000 * float(np.median(taken))


def _compared(
    student: Inferencer, faces: Faces, lessons: Lessons, area: Area, teacher_ms: float
) -> Distilled:
    (top, bottom), (left, right) = area
    part = (slice(None), slice(top, bottom), slice(left, right))
    errors, untouched = [], []
    for lesson in lessons:
        visual = visual_of(lesson.face, lesson.face, faces.geometry) / np.float32(255)
        drawn = np.clip(student.infer(visual, lesson.window) * np.float32(255), 0, 255).round()
        true = lesson.picture[part].astype(np.float32)
        errors.append(np.square(drawn[part] - true).mean())
        untouched.append(np.square(lesson.face[part] - true).mean())
    return Distilled(
        psnr_db=float(psnr_db(np.array(errors, np.float32)).mean()),
        untouched_psnr_db=float(psnr_db(np.array(untouched, np.float32)).mean()),
        teacher_ms=teacher_ms,
        student_ms=_ms_a_frame(student, faces, lessons),
        drawn=area,
        tested=len(lessons),
    )

"""A small network learns what another one draws, and takes its place in the avatar."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the studio is not installed")

from support.probes import identity_generator, lamp_encoder, lamp_in_a_face
from support.tiny_avatar import SIZE, box, picture
from viseme.audio.windows import WINDOW_SHAPE
from viseme.avatar import FAMILY_328, About, Avatar, FrameFormat, load_avatar, save_bundle
from viseme.avatar.saving import save_variant
from viseme.engine import AudioEncoder, Inferencer
from viseme.errors import InputError, ModelError, OutputError
from viseme.rendering import render
from viseme.studio import distilling, records
from viseme.studio.batches import BatchShape
from viseme.studio.distilling import DistillOptions, TaughtSource, distill, drawn_area
from viseme.studio.lessons import Faces, Teacher

LIT = ((100, 220), (68, 252))
DRAWN = ((96, 224), (64, 256))
"""Around it, in tenths of the face."""
OPTIONS = DistillOptions(lessons=60, steps=300)


@pytest.fixture(scope="module")
def teacher_avatar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Avatar]:
    """An avatar that has a lamp in its face, lit as loud as it is."""
    folder = tmp_path_factory.mktemp("teacher")
    generator = lamp_in_a_face(folder / "generator.onnx", LIT)
    yield from opened(folder, generator)


def opened(folder: Path, generator: Path) -> Iterator[Avatar]:
    save_bundle(
        folder / "lamp",
        frames=(picture(number) // 4 + 96 for number in range(3)),
        boxes=[box(number) for number in range(3)],
        generator=generator,
        audio_encoder=lamp_encoder(folder / "encoder.onnx"),
        about=About(name="lamp", title="Lamp", licence="None", recipe={"made": "by hand"}),
        frame_format=FrameFormat("png"),
    )
    with load_avatar(folder / "lamp") as avatar:
        yield avatar


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make little of everything, so that it takes seconds."""
    monkeypatch.setattr(distilling, "LADDER", (8, 8, 8, 8))
    monkeypatch.setattr(distilling, "PICTURES", 4)
    monkeypatch.setattr(distilling, "TESTED", 20)
    monkeypatch.setattr(records, "RECORDS_IN_A_FILE", 20)


def speeches(count: int = 20) -> list[NDArray[np.float32]]:
    """Tones of all levels, for as long as a window and for some pictures more."""
    rng = np.random.default_rng(5)
    tone = np.sin(np.arange(16_000) * 0.4).astype(np.float32)
    levels = rng.uniform(-3, 0, (count, 25)).repeat(640, axis=1)
    return [tone * np.float32(10) ** level.astype(np.float32) for level in levels]


def test_what_is_learned_takes_the_teachers_place(
    teacher_avatar: Avatar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    result = distill(
        teacher_avatar,
        tmp_path / "new",
        speeches=speeches(),
        work=tmp_path / "work",
        options=OPTIONS,
        on_progress=said.append,
    )
    capsys.readouterr()
    assert said[0] == "20 of 60 lessons."
    assert result.drawn == DRAWN
    assert result.tested == 20
    assert result.untouched_psnr_db < 14
    assert result.psnr_db > result.untouched_psnr_db + 4
    with load_avatar(tmp_path / "new") as new:
        mine, theirs = new.manifest, teacher_avatar.manifest
        assert mine.recipe["distilled"] == result.as_dict()
        assert mine.recipe["network"] != theirs.recipe.get("network")
        assert mine.sha256.generator != theirs.sha256.generator
        for name in ("frames", "boxes", "audio_encoder"):
            assert getattr(mine.sha256, name) == getattr(theirs.sha256, name)
        assert (mine.name, mine.title, mine.licence) == ("lamp", "Lamp", "None")
        new.verify()
        speech = (speeches(1)[0], 16_000)
        drawn = [frame.image.astype(int) for frame in render(speech, new)]
        true = list(render(speech, teacher_avatar))
        apart = [np.abs(a - b.image) for a, b in zip(drawn, true, strict=True)]
        untouched = [np.abs(new.frame(b.avatar_frame).astype(int) - b.image) for b in true]
        assert np.mean(apart) < 0.5 * np.mean(untouched)
        # What the teacher leaves as it is, the new network cannot touch (truncated, both of them).
        left, top = (start + 4 for start in box(0)[:2])
        rows, columns = (slice(*span) for span in DRAWN)
        drawn_on = np.zeros((SIZE[1], SIZE[0]), bool)
        drawn_on[top:, left:][rows, columns] = True
        assert apart[0][~drawn_on].max() <= 1


def test_it_goes_on_where_it_was(teacher_avatar: Avatar, tmp_path: Path) -> None:
    work, few = tmp_path / "work", DistillOptions(lessons=40, steps=20)
    first = distill(teacher_avatar, tmp_path / "first", speeches=speeches(), work=work, options=few)
    kept = sorted((work / "taught").iterdir())
    assert len(kept) == 2
    before = kept[1].read_bytes()
    made = kept[0].stat().st_mtime_ns
    kept[1].unlink()
    again = distill(teacher_avatar, tmp_path / "again", speeches=speeches(), work=work, options=few)
    assert again.psnr_db == first.psnr_db
    assert kept[0].stat().st_mtime_ns == made
    assert kept[1].read_bytes() == before
    networks = [(tmp_path / name / "generator.onnx").read_bytes() for name in ("first", "again")]
    assert networks[0] == networks[1]
    with pytest.raises(InputError, match=r"for something else \(not the same seed\); choose"):
        distill(
            teacher_avatar,
            tmp_path / "other",
            speeches=speeches(),
            work=work,
            options=DistillOptions(lessons=40, steps=20, seed=1),
        )
    (work / "purpose.json").write_text("{")
    with pytest.raises(InputError, match=r"for something else \(not the same teacher\); choose"):
        distill(teacher_avatar, tmp_path / "other", speeches=speeches(), work=work, options=few)


def test_what_cannot_be_learned_from(teacher_avatar: Avatar, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too little speech to learn from, 19 of 20 pieces; give"):
        distill(teacher_avatar, tmp_path / "new", speeches=speeches(19), work=tmp_path / "few")
    idle = identity_generator(tmp_path / "idle.onnx")
    with pytest.raises(InputError, match="whatever it hears; there is nothing to learn"):
        distill(
            teacher_avatar,
            tmp_path / "new",
            speeches=speeches(),
            work=tmp_path / "idle",
            model=idle,
            options=DistillOptions(lessons=20, steps=100),
        )
    assert not (tmp_path / "idle" / "taught").exists(), "found out after all lessons"
    small = identity_generator(tmp_path / "small.onnx", 160)
    with pytest.raises(ModelError, match="draws faces of 160 pixels and hears windows of "):
        distill(
            teacher_avatar,
            tmp_path / "new",
            speeches=speeches(),
            work=tmp_path / "small",
            model=small,
        )
    assert not (tmp_path / "new").exists()
    (tmp_path / "work").write_text("a file")
    with pytest.raises(OutputError, match="Cannot write"):
        distill(teacher_avatar, tmp_path / "new", speeches=speeches(), work=tmp_path / "work")
    with pytest.raises(OutputError, match="The avatar cannot be written to"):
        distill(
            teacher_avatar, tmp_path / "work" / "new", speeches=speeches(), work=tmp_path / "other"
        )
    assert not (tmp_path / "other").exists(), "found out after the work"


def test_lessons_are_the_teachers_own_and_the_same_each_time(
    teacher_avatar: Avatar, tmp_path: Path
) -> None:
    faces = Faces.of(teacher_avatar)
    with (
        Inferencer(teacher_avatar.generator, backend="onnxruntime") as network,
        AudioEncoder(teacher_avatar.audio_encoder) as encode,
    ):
        teacher = Teacher(network, encode, faces)
        one, other = (
            teacher.lessons(tmp_path / name, speeches(), 30, seed=3) for name in ("one", "other")
        )
        assert len(one) == 30
        levels = set()
        for (face, window, shown), again in zip(one, other, strict=True):
            np.testing.assert_array_equal(shown, again.picture)
            np.testing.assert_array_equal(window, again.window)
            visual = np.concatenate([face, face]) / np.float32(255)
            drawn = network.infer(visual.astype(np.float32), window)
            assert np.abs(drawn * 255 - shown).max() <= 0.51
            levels.add(int(shown[0, 160, 160]))
    assert len(levels) > 10
    with pytest.raises(IndexError):
        one[30]
    source = TaughtSource(one, FAMILY_328, np.ones((320, 320), np.float32), seed=1)
    batch = source.batch(4, BatchShape(3, 1, 1))
    np.testing.assert_array_equal(batch.target, source.batch(4, BatchShape(3, 1, 1)).target)
    assert batch.visual.shape == (3, 6, 320, 320)
    assert not batch.visual[:, 3:, 160, 160].any()
    assert batch.windows.shape == (3, *WINDOW_SHAPE)


def test_what_is_drawn_the_same_whatever_is_heard_is_left_as_it_is(
    teacher_avatar: Avatar, tmp_path: Path
) -> None:
    faces = Faces.of(teacher_avatar)
    dim = lamp_in_a_face(tmp_path / "dim.onnx", LIT, rest=0.8)
    with (
        Inferencer(dim, backend="onnxruntime") as network,
        AudioEncoder(teacher_avatar.audio_encoder) as encode,
    ):
        movement = Teacher(network, encode, faces).movement(speeches(), seed=1)
    assert drawn_area(movement) == DRAWN
    assert movement[160, 160] > 20
    assert movement[50, 160] < 0.001


def test_the_area_that_is_drawn() -> None:
    movement = np.zeros((320, 320), np.float32)
    movement[40, 80] = movement[191, 127] = 3
    movement[319, 0] = 1.9
    assert drawn_area(movement) == ((32, 192), (64, 128))
    with pytest.raises(InputError, match="draws the same whatever it hears"):
        drawn_area(np.ones((320, 320), np.float32))


def test_a_manifest_that_is_written_again_is_whole(teacher_avatar: Avatar, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    with pytest.raises(OutputError, match="is there already; remove it or choose another"):
        save_variant(teacher_avatar, taken, generator=teacher_avatar.generator, recipe={})
    same = save_variant(
        teacher_avatar, tmp_path / "same", generator=teacher_avatar.generator, recipe={"made": 2}
    )
    ours = json.loads((same / "avatar.json").read_text("utf-8"))
    theirs = json.loads((teacher_avatar.folder / "avatar.json").read_text("utf-8"))
    assert ours == {**theirs, "recipe": {"made": 2}}

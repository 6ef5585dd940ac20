"""Batches say what was spoken and show what was drawn; recorded data sets are read as they are."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

pytest.importorskip("torch", reason="the studio is not installed")

from support.drawn import small_corpus, small_source
from viseme.audio import mel_spectrogram, read
from viseme.avatar import FAMILY_328, Box
from viseme.errors import InputError
from viseme.studio.batches import Batch, BatchShape, clip_patches, visual_planes
from viseme.studio.drawn import DrawnSource
from viseme.studio.mouth import POSE_CHANNELS
from viseme.studio.recorded import RecordedSource, landmark_box, read_landmarks
from viseme.studio.speech import PHONES, Corpus

SHAPE = BatchShape(clips=3, frames=6, pictures=2)
DRAWN_TWICE = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from support.drawn import small_corpus, small_source
from viseme.engine.machine import available_cores
from viseme.studio.batches import BatchShape

folder = Path(sys.argv[2])
source = small_source(small_corpus(folder / "corpus"))
shape = BatchShape(clips=3, frames=40, pictures=4, heard=False)
source.draw_beforehand(folder / "here", 200, shape)
told = []
source.draw_beforehand(folder / "elsewhere", 200, shape, told.append, available_cores())
assert told == [50, 100, 150, 200], told
"""
"""A program of its own, since it forks."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return small_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def drawn(corpus: Corpus) -> DrawnSource:
    return small_source(corpus)


def same(a: Batch, b: Batch) -> bool:
    names = Batch.__dataclass_fields__
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_a_step_always_gives_the_same_batch_and_another_step_another(drawn: DrawnSource) -> None:
    assert same(drawn.batch(5, SHAPE), drawn.batch(5, SHAPE))
    assert not same(drawn.batch(5, SHAPE), drawn.batch(6, SHAPE))


def test_phones_are_those_that_the_poses_speak(drawn: DrawnSource) -> None:
    """A patch's phone stands where the frame of the same time has its pose: lips closed in an m."""
    batch = drawn.batch(2, BatchShape(clips=12, frames=60, pictures=0))
    closed = batch.poses[:, :, POSE_CHANNELS.index("press")] > 0.6
    m = batch.phones[:, 8 : 8 + 60] == PHONES.index("m")
    assert m.mean() > 0.05
    assert (closed == m).mean() > 0.93
    assert set(np.unique(batch.phones)) <= {PHONES.index(s) for s in ("pau", "aa", "m", "iy", "s")}


def test_every_picture_shows_the_pose_of_its_frame(drawn: DrawnSource) -> None:
    batch = drawn.batch(1, SHAPE)
    opening = batch.poses[..., POSE_CHANNELS.index("open")]
    expected = np.take_along_axis(opening, batch.picks, axis=1).ravel() * 255
    assert batch.target.shape == (6, 3, 320, 320)
    np.testing.assert_allclose(batch.target[:, 0, 0, 0], expected, atol=0.51)
    np.testing.assert_array_equal(batch.shown[:, POSE_CHANNELS.index("open")] * 255, expected)
    assert batch.target.max() > 20, "no mouth was ever open: the test would prove nothing"


def test_the_reference_is_a_frame_of_the_avatar_and_its_copy_is_masked(drawn: DrawnSource) -> None:
    visual = drawn.batch(1, SHAPE).visual
    assert set(np.unique(visual)) <= set(range(10))
    assert (visual[:, 3:, 5:310, 5:315] == 0).all()
    np.testing.assert_array_equal(visual[:, 3:, :5], visual[:, :3, :5])


def test_hearing_alone_draws_nothing(drawn: DrawnSource) -> None:
    batch = drawn.batch(0, BatchShape(clips=2, frames=6, pictures=0))
    assert batch.picks.shape == (2, 0)
    assert len(batch.visual) == len(batch.target) == len(batch.mouth) == 0
    assert batch.patches.shape == (2, 21, 1, 80, 16)


def test_a_drawing_without_sound_has_poses_between_those_of_the_speech(drawn: DrawnSource) -> None:
    shape = BatchShape(clips=3, frames=40, pictures=12, heard=False, between=1.0)
    batch = drawn.batch(1, shape)
    assert batch.patches.size == batch.valid.size == batch.phones.size == 0
    assert batch.poses.shape == (3, 40, 8)
    assert batch.shown.shape == (36, 8)
    spoken = np.take_along_axis(batch.poses, batch.picks[:, :, None], axis=1).reshape(-1, 8)
    assert (np.abs(batch.shown - spoken).max(axis=1) > 1e-3).mean() > 0.5
    assert (batch.shown >= spoken.min(axis=0) - 1e-6).all()
    assert (batch.shown <= spoken.max(axis=0) + 1e-6).all()
    opening = batch.shown[:, POSE_CHANNELS.index("open")] * 255
    np.testing.assert_allclose(batch.target[:, 0, 0, 0], opening, atol=0.51)


def test_pictures_drawn_beforehand_are_shown_again(drawn: DrawnSource, tmp_path: Path) -> None:
    shape = BatchShape(clips=3, frames=40, pictures=4, heard=False, between=0.5)
    fresh = drawn.batch(1, shape)
    told: list[int] = []
    drawn.draw_beforehand(tmp_path, 60, shape, told.append)
    assert told == [50, 60]
    batch = drawn.batch(1, shape)
    assert not same(batch, fresh)
    assert same(batch, drawn.batch(1, shape))
    assert not same(batch, drawn.batch(2, shape))
    assert batch.visual.shape == fresh.visual.shape
    opening = batch.shown[:, POSE_CHANNELS.index("open")] * 255
    np.testing.assert_allclose(batch.target[:, 0, 0, 0], opening, atol=0.51)
    shown = {pose.tobytes() for step in range(40) for pose in drawn.batch(step, shape).shown}
    assert len(shown) <= 60, "something was drawn anew"
    assert len(drawn.batch(1, SHAPE).patches), "what is to be heard is not drawn beforehand"


def test_drawing_beforehand_goes_on_where_it_was(drawn: DrawnSource, tmp_path: Path) -> None:
    shape = BatchShape(clips=3, frames=40, pictures=4, heard=False)
    drawn.draw_beforehand(tmp_path, 100, shape)
    batch = drawn.batch(1, shape)
    first, second = sorted(tmp_path.iterdir())
    untouched = first.stat().st_mtime_ns
    second.unlink()
    drawn.draw_beforehand(tmp_path, 100, shape)
    assert same(drawn.batch(1, shape), batch)
    assert first.stat().st_mtime_ns == untouched


def test_pictures_are_the_same_whoever_draws_them(tmp_path: Path) -> None:
    script = (sys.executable, "-c", DRAWN_TWICE, str(Path(__file__).parents[1]), str(tmp_path))
    subprocess.run(script, check=True, timeout=150)
    here = sorted((tmp_path / "here").iterdir())
    assert len(here) == 4
    for path in here:
        assert path.read_bytes() == (tmp_path / "elsewhere" / path.name).read_bytes()


def test_the_mouth_weighs_most_in_its_box(drawn: DrawnSource) -> None:
    weight = drawn.batch(1, SHAPE).mouth[0, 0]
    assert weight[160, 150] == 1
    assert weight[10, 10] == 0


def test_features_outside_the_sound_are_marked() -> None:
    mel = mel_spectrogram(np.zeros(32_000, np.float32))
    _, first = clip_patches(mel, 0, 4)
    assert first.tolist() == [0.0] * 8 + [1.0] * 11


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "full_body_img").mkdir()
    (tmp_path / "landmarks").mkdir()
    for index in range(30):
        frame = np.full((240, 320, 3), index, np.uint8)
        cv2.imwrite(str(tmp_path / "full_body_img" / f"{index}.jpg"), frame)
        points = np.zeros((110, 2), int)
        points[1], points[31], points[52] = (80 + index, 0), (200 + index, 0), (0, 90)
        np.savetxt(tmp_path / "landmarks" / f"{index}.lms", points, fmt="%d")
    noise = np.random.default_rng(0).standard_normal(16_000 * 2) * 0.1
    soundfile.write(tmp_path / "aud.wav", noise, 16_000)
    return tmp_path


def test_a_recording_gives_its_own_frames_under_their_own_sound(recording: Path) -> None:
    source = RecordedSource(recording, seed=2)
    batch = source.batch(3, SHAPE)
    assert source.frame_count == 30
    assert batch.poses.size == 0
    mel = mel_spectrogram(read(recording / "aud.wav"))
    shown = batch.target[:, 0, 160, 160].reshape(batch.picks.shape).astype(int)
    for clip, (patches, picks, levels) in enumerate(
        zip(batch.patches, batch.picks, shown, strict=True)
    ):
        first = round(float(np.mean(levels - picks)))  # frame i has the grey level i
        assert np.abs(levels - picks - first).max() <= 2, "JPEG shifts a level by 2 at the most"
        candidates = [clip_patches(mel, first + d, SHAPE.frames)[0] for d in (-2, -1, 0, 1, 2)]
        assert any(np.array_equal(patches, c) for c in candidates), f"clip {clip}"


def test_a_recordings_reference_is_not_its_target(recording: Path) -> None:
    batch = RecordedSource(recording, seed=2).batch(3, SHAPE)
    masked, reference = batch.visual[:, 3, 0, 0], batch.visual[:, 0, 0, 0]
    np.testing.assert_array_equal(masked, batch.target[:, 0, 0, 0])
    assert (reference != masked).sum() >= 4


def test_the_box_of_landmarks() -> None:
    points = np.zeros((110, 2))
    points[1], points[31], points[52] = (100.9, 5), (300.2, 6), (7, 150.8)
    assert landmark_box(points) == Box(100, 150, 300, 350)


def test_visual_planes_of_two_crops() -> None:
    reference = np.full((328, 328, 3), 9, np.uint8)
    masked = np.full((328, 328, 3), 7, np.uint8)
    visual = visual_planes(reference, masked, FAMILY_328)
    assert (visual[:3] == 9).all()
    assert visual[3, 0, 0] == 7
    assert visual[3, 100, 100] == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "aud.wav").unlink(), "is missing: a data set needs its speech"),
        (
            lambda folder: (folder / "landmarks" / "3.lms").write_text("1 2\n3 4\n"),
            r"3.lms holds numbers of shape \[2, 2\]; 110 lines 'x y' are expected",
        ),
        (
            lambda folder: (folder / "landmarks" / "3.lms").write_text("a b\n"),
            "3.lms cannot be read as landmarks",
        ),
        (
            lambda folder: [path.unlink() for path in (folder / "full_body_img").iterdir()],
            "full_body_img has no files 0.jpg",
        ),
    ],
    ids=["no speech", "few landmarks", "no numbers", "no frames"],
)
def test_a_damaged_data_set_is_named(recording: Path, damage: object, message: str) -> None:
    damage(recording)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        RecordedSource(recording)


def test_an_unreadable_frame_is_named(recording: Path) -> None:
    for path in (recording / "full_body_img").iterdir():
        path.write_bytes(b"not a picture")
    with pytest.raises(InputError, match="is not a picture that can be read"):
        RecordedSource(recording).batch(0, SHAPE)


def test_a_recording_shorter_than_a_clip_is_refused(recording: Path) -> None:
    with pytest.raises(InputError, match="has 30 frames; training needs more than 40"):
        RecordedSource(recording).batch(0, BatchShape(clips=1, frames=40, pictures=1))


def test_landmarks_are_read_as_numbers(recording: Path) -> None:
    assert read_landmarks(recording / "landmarks" / "4.lms")[31].tolist() == [204, 0]

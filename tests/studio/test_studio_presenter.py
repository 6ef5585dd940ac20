from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.studio.mouth import REST, MouthPose

pytest.importorskip("skia", reason="drawing needs the training extra")

from viseme.studio.presenter import FRAME_COUNT, HEIGHT, WIDTH, Presenter
from viseme.studio.presenter.lips import FULL_GAP, shape_lips
from viseme.studio.presenter.measure import opening
from viseme.studio.presenter.motion import idle

INNER = slice(4, 324)
MASK_ROWS, MASK_COLS = (5, 310), (5, 315)
WIDEST = MouthPose(jaw=1, open=1, wide=1)

poses = st.builds(
    MouthPose,
    **{name: st.floats(0, 1) for name in MouthPose.__slots__ if name != "wide"},
    wide=st.floats(-1, 1),
)


@pytest.fixture(scope="module")
def presenter() -> Presenter:
    return Presenter()


def random_poses(count: int, seed: int) -> list[MouthPose]:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, (count, 8))
    values[:, 2] = 2 * values[:, 2] - 1
    return [MouthPose.of(v) for v in values]


def test_a_frame_is_a_bgr_picture_of_the_announced_size(presenter: Presenter) -> None:
    frame = presenter.frame(0)
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert frame.dtype == np.uint8
    x1, y1, x2, y2 = presenter.box(0)
    cheek = frame[y1 + (y2 - y1) // 4, x1 + (x2 - x1) // 4].astype(int)
    assert cheek[2] > cheek[0] + 20, "skin is red above blue"


def test_drawing_twice_gives_the_same_pixels(presenter: Presenter) -> None:
    pose = MouthPose(jaw=0.4, open=0.5, tongue=0.3)
    np.testing.assert_array_equal(presenter.frame(77, pose), Presenter().frame(77, pose))


@pytest.mark.parametrize("index", [0, 33, 150, 299])
def test_a_crop_is_the_cut_of_its_frame(presenter: Presenter, index: int) -> None:
    pose = random_poses(1, index)[0]
    x1, y1, x2, y2 = presenter.box(index)
    cut = presenter.frame(index, pose)[y1:y2, x1:x2]
    expected = cv2.resize(cut, (328, 328), interpolation=cv2.INTER_CUBIC)
    crop = presenter.crop(index, pose)
    assert np.abs(crop.astype(int) - expected.astype(int)).max() <= 2


def test_a_tiny_cache_changes_no_pixel(presenter: Presenter) -> None:
    small = Presenter(cache_bytes=1)
    for index in (5, 6, 5):
        np.testing.assert_array_equal(small.crop(index, WIDEST), presenter.crop(index, WIDEST))


def test_boxes_are_large_squares_that_move_smoothly(presenter: Presenter) -> None:
    boxes = np.asarray([presenter.box(i) for i in range(FRAME_COUNT)])
    widths = boxes[:, 2] - boxes[:, 0]
    assert (widths == boxes[:, 3] - boxes[:, 1]).all()
    assert widths.min() >= 300
    assert widths.max() <= 340
    assert len(np.unique(boxes[:, 0])) > 5
    assert np.abs(np.diff(boxes, axis=0)).max() <= 3


@pytest.mark.parametrize("index", [0, 120, 299])
def test_no_pose_moves_a_pixel_outside_the_mask(presenter: Presenter, index: int) -> None:
    rest = presenter.crop(index, REST).astype(int)
    moved = np.zeros((328, 328), bool)
    for pose in (WIDEST, MouthPose(jaw=1), MouthPose(round=1, wide=-1), *random_poses(10, 1)):
        moved |= np.abs(presenter.crop(index, pose).astype(int) - rest).max(axis=2) > 2
    inner = moved[INNER, INNER]
    assert inner.any()
    inner[slice(*MASK_ROWS), slice(*MASK_COLS)] = False
    assert not inner.any()


def test_the_lips_stay_in_the_mouth_box(presenter: Presenter) -> None:
    for index in (0, 140):
        x1, y1, x2, y2 = presenter.mouth_box(index)
        assert 0 < x1 < x2 < 328
        assert 0 < y1 < y2 < 328
        for pose in (WIDEST, *random_poses(8, 2)):
            lips = shape_lips(pose)
            scale = 328 / 306
            assert (lips.x.max() - lips.x.min()) * scale < x2 - x1
            height = float(lips.lower_outer.max() - lips.upper_outer.min())
            assert height * scale < y2 - y1


@given(poses)
def test_the_gap_is_the_opening_whatever_else_the_mouth_does(pose: MouthPose) -> None:
    lips = shape_lips(pose)
    assert lips.gap == pytest.approx(pose.open * FULL_GAP, abs=1e-9)
    assert (lips.lower_inner >= lips.upper_inner - 1e-9).all()
    assert (lips.upper_outer <= lips.upper_inner + 1e-9).all()
    assert (lips.lower_outer >= lips.lower_inner - 1e-9).all()


def test_channels_do_what_they_are_named_for() -> None:
    rest = shape_lips(REST)
    assert shape_lips(MouthPose(wide=1)).half > 1.1 * rest.half
    assert shape_lips(MouthPose(round=1)).half < 0.7 * rest.half
    pressed = shape_lips(MouthPose(press=1))
    middle = rest.centre
    red = rest.lower_outer[middle] - rest.upper_outer[middle]
    assert pressed.lower_outer[middle] - pressed.upper_outer[middle] < 0.6 * red
    assert shape_lips(MouthPose(jaw=1)).drop > 30
    assert shape_lips(MouthPose(tongue=1)).tongue_top < rest.tongue_top - 15


@pytest.mark.parametrize("blur", [0.0, 1.2])
def test_the_measured_opening_follows_the_pose(presenter: Presenter, blur: float) -> None:
    truth, seen = [], []
    for k, pose in enumerate(random_poses(80, 3)):
        index = (k * 37) % FRAME_COUNT
        crop = presenter.crop(index, pose)
        if blur:
            crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), blur), np.uint8)
        truth.append(pose.open)
        seen.append(opening(crop, index))
    assert np.corrcoef(truth, seen)[0, 1] > 0.98
    assert np.abs(np.subtract(truth, seen)).max() < 0.15


def test_closed_lips_measure_as_closed(presenter: Presenter) -> None:
    closed = (REST, MouthPose(press=1), MouthPose(jaw=1), MouthPose(round=1), MouthPose(tuck=1))
    for index in (0, 99, 250):
        assert max(opening(presenter.crop(index, pose), index) for pose in closed) < 0.02


def test_the_measure_grows_with_the_opening(presenter: Presenter) -> None:
    seen = [
        opening(presenter.crop(10, MouthPose(jaw=0.8 * o, open=o)), 10)
        for o in np.linspace(0, 1, 15).tolist()
    ]
    assert (np.diff(seen) > 0).all()


def test_idle_motion_rests_at_both_ends_and_blinks() -> None:
    heads = np.asarray([idle(i).head for i in range(FRAME_COUNT)])
    steps = np.abs(np.diff(heads[:, [2, 5]], axis=0)).max(axis=1)
    assert steps.max() < 1.5
    assert max(steps[0], steps[-1]) < 0.1
    blinks = np.asarray([idle(i).blink for i in range(FRAME_COUNT)])
    assert (blinks == 1.0).sum() >= 3
    assert blinks[0] == blinks[-1] == 0.0


@pytest.mark.parametrize("index", [-1, FRAME_COUNT])
def test_a_frame_that_is_not_there_is_named(presenter: Presenter, index: int) -> None:
    with pytest.raises(IndexError, match=f"0 to {FRAME_COUNT - 1}, not {index}"):
        presenter.frame(index)


def test_the_skin_has_no_pinholes(presenter: Presenter) -> None:
    for index in (0, 20, 33, 60, 111, 210):
        crop = presenter.crop(index, MouthPose(wide=0.5)).astype(int)
        cheeks = crop[12:90, 40:288]
        smooth = cv2.medianBlur(cheeks.astype(np.uint8), 5).astype(int)
        assert np.abs(cheeks - smooth).max() < 60

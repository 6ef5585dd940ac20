"""The new face in the old frame: exact where it must be, and nowhere else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.avatar import FAMILY_168, FAMILY_328, Box, Geometry, crop_inputs
from viseme.avatar.planes import Planes
from viseme.compose import Composer, compose, compose_planes
from viseme.errors import AvatarError


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture with slow waves of colour, as a face has."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / 23 + y / 41), np.cos(x / 31 - y / 19), np.sin(x / 17) * np.cos(y / 29)]
    return (np.stack(waves, axis=-1) * 110 + 128).astype(np.uint8)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / error))


def identity(frame: NDArray[np.uint8], box: Box, geometry: Geometry) -> NDArray[np.uint8]:
    crop, visual = crop_inputs(frame, box, geometry)
    return compose(frame, box, crop, visual[:3], geometry)


@pytest.mark.parametrize("geometry", [FAMILY_328, FAMILY_168])
def test_identity_at_the_crops_own_size_is_exact_for_every_value(geometry: Geometry) -> None:
    side = geometry.crop
    frame = noise(side + 20, side + 30)
    frame[30 : 30 + 256 // 16, 40:56, :] = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    inside = Box(7, 9, 7 + side, 9 + side)
    np.testing.assert_array_equal(identity(frame, inside, geometry), frame)
    over_the_edge = Box(-50, 60, side - 50, side + 60)
    np.testing.assert_array_equal(identity(frame, over_the_edge, geometry), frame)


@pytest.mark.parametrize("side", [150, 241, 327, 329, 500])
def test_identity_at_other_sizes_is_close(side: int) -> None:
    frame = smooth(540, 640)
    box = Box(30, 20, 30 + side, 20 + side)
    result = identity(frame, box, FAMILY_328)
    assert psnr(result[20 : 20 + side, 30 : 30 + side], frame[box.y1 : box.y2, 30 : box.x2]) > 40


@given(
    side=st.integers(16, 200),
    corner=st.tuples(st.integers(-199, 99), st.integers(-199, 79)),
    feather=st.sampled_from([0, 6]),
)
def test_only_the_box_changes_at_any_edge(side: int, corner: tuple[int, int], feather: int) -> None:
    x1, y1 = max(corner[0], 1 - side), max(corner[1], 1 - side)
    box = Box(x1, y1, x1 + side, y1 + side)
    frame = noise(80, 100)
    crop, _ = crop_inputs(frame, box, FAMILY_168)
    white = np.ones((3, 160, 160), np.float32)
    result = compose(frame, box, crop, white, FAMILY_168, feather=feather)
    outside = np.ones((80, 100), bool)
    outside[max(y1, 0) : max(y1 + side, 0), max(x1, 0) : max(x1 + side, 0)] = False
    np.testing.assert_array_equal(result[outside], frame[outside])


def test_face_over_the_edge_is_clipped_and_not_squeezed() -> None:
    """The visible part must be the same pixels as on a larger frame that holds the whole box."""
    large = noise(300, 300)
    small = large[60:, :170].copy()
    prediction = np.random.default_rng(1).random((3, 160, 160), np.float32)
    crop, _ = crop_inputs(large, Box(70, 20, 190, 140), FAMILY_168)
    whole = compose(large, Box(70, 20, 190, 140), crop, prediction, FAMILY_168)
    clipped = compose(small, Box(70, -40, 190, 80), crop, prediction, FAMILY_168)
    np.testing.assert_array_equal(clipped, whole[60:, :170])


def test_geometry_is_the_reference_definition() -> None:
    frame = noise(400, 420)
    box = Box(50, 40, 270, 260)
    prediction = np.random.default_rng(2).random((3, 320, 320), np.float32) * 1.4 - 0.2
    crop, _ = crop_inputs(frame, box, FAMILY_328)
    patch = crop.copy()
    patch[4:324, 4:324] = np.clip(prediction * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    expected = frame.copy()
    expected[40:260, 50:270] = cv2.resize(patch, (220, 220), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(compose(frame, box, crop, prediction, FAMILY_328), expected)


def test_inputs_are_not_changed_and_out_is_used() -> None:
    frame, box = noise(200, 200), Box(10, 10, 150, 150)
    crop, visual = crop_inputs(frame, box, FAMILY_168)
    prediction = visual[:3].copy()
    for array in (frame, crop, prediction):
        array.flags.writeable = False
    out = np.zeros_like(frame)
    assert compose(frame, box, crop, prediction, FAMILY_168, out=out) is out
    np.testing.assert_array_equal(out, compose(frame, box, crop, prediction, FAMILY_168))


def test_feather_keeps_the_middle_and_hides_the_seam() -> None:
    frame = np.full((400, 400, 3), 100, np.uint8)
    box = Box(20, 20, 348, 348)
    crop, _ = crop_inputs(frame, box, FAMILY_328)
    white = np.ones((3, 320, 320), np.float32)
    hard = compose(frame, box, crop, white, FAMILY_328)
    soft = compose(frame, box, crop, white, FAMILY_328, feather=20)
    np.testing.assert_array_equal(soft[50:318, 50:318], hard[50:318, 50:318])
    assert np.abs(np.diff(hard[180, :, 0].astype(int))).max() == 155
    assert np.abs(np.diff(soft[180, :, 0].astype(int))).max() <= 155 / 20 + 1


def test_feathered_identity_is_exact() -> None:
    frame, box = noise(360, 360), Box(10, 10, 338, 338)
    crop, visual = crop_inputs(frame, box, FAMILY_328)
    result = compose(frame, box, crop, visual[:3], FAMILY_328, feather=12)
    np.testing.assert_array_equal(result, frame)


def test_box_outside_the_frame_is_refused() -> None:
    crop = noise(168, 168)
    with pytest.raises(AvatarError, match="lies outside the frame of 100x80"):
        compose(
            noise(80, 100),
            Box(100, 0, 150, 50),
            crop,
            np.zeros((3, 160, 160), np.float32),
            FAMILY_168,
        )


def test_composer_can_go_from_large_boxes_to_small_ones_and_back() -> None:
    composer = Composer(FAMILY_168)
    frame = noise(300, 300)
    for side in (250, 40, 168, 251, 39):
        box = Box(20, 20, 20 + side, 20 + side)
        crop, visual = crop_inputs(frame, box, FAMILY_168)
        expected = compose(frame, box, crop, visual[:3], FAMILY_168)
        np.testing.assert_array_equal(composer.compose(frame, box, crop, visual[:3]), expected)


def test_threads_at_once_give_what_one_gives() -> None:
    frame = noise(300, 300)
    jobs = []
    for index in range(48):
        box = Box(index, index, index + 120 + index, index + 120 + index)
        crop, visual = crop_inputs(frame, box, FAMILY_168)
        jobs.append((box, crop, visual[3:] * np.float32(index / 48)))

    def work(job: tuple[Box, NDArray[np.uint8], NDArray[np.float32]]) -> NDArray[np.uint8]:
        return compose(frame, *job, FAMILY_168)

    alone = [work(job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        for expected, result in zip(alone, pool.map(work, jobs), strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("feather", [0, 16])
@pytest.mark.parametrize(
    "box", [Box(31, 22, 261, 252), Box(-40, 100, 201, 341), Box(150, 8, 478, 336)]
)
def test_in_planes_the_box_is_as_in_the_picture_and_the_rest_untouched(
    box: Box, feather: int
) -> None:
    before = Planes.of(smooth(360, 400))
    picture = before.bgr()
    crop, visual = crop_inputs(before, box, FAMILY_328)
    prediction = 1 - visual[:3]
    after = compose_planes(before, box, crop, prediction, FAMILY_328, feather=feather)
    expected = Planes.of(compose(picture, box, crop, prediction, FAMILY_328, feather=feather))
    rows, cols = box.overlap(400, 360).frame
    luma, *chroma = zip(before.parts(), after.parts(), expected.parts(), strict=True)
    old, new, wanted = (plane.copy() for plane in luma)
    np.testing.assert_array_equal(new[rows, cols], wanted[rows, cols])
    new[rows, cols] = old[rows, cols]
    np.testing.assert_array_equal(new, old)
    reach = tuple(slice(span.start // 2, -(-span.stop // 2)) for span in (rows, cols))
    for planes in chroma:
        old, new, wanted = (plane.copy() for plane in planes)
        np.testing.assert_array_equal(new[reach], wanted[reach])
        new[reach] = old[reach]
        np.testing.assert_array_equal(new, old)


def test_planes_are_converted_and_then_composed() -> None:
    planes, box = Planes.of(smooth(360, 400)), Box(31, 22, 261, 252)
    planes.data.flags.writeable = False
    crop, visual = crop_inputs(planes, box, FAMILY_328)
    expected = compose(planes.bgr(), box, crop, 1 - visual[:3], FAMILY_328)
    composed = compose(planes, box, crop, 1 - visual[:3], FAMILY_328)
    np.testing.assert_array_equal(composed, expected)
    out = np.zeros_like(expected)
    assert compose(planes, box, crop, 1 - visual[:3], FAMILY_328, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_a_picture_is_composed_and_then_converted() -> None:
    frame, box = smooth(361, 401), Box(31, 22, 261, 252)
    crop, visual = crop_inputs(frame, box, FAMILY_328)
    composed = compose_planes(frame, box, crop, 1 - visual[:3], FAMILY_328)
    expected = Planes.of(compose(frame, box, crop, 1 - visual[:3], FAMILY_328))
    np.testing.assert_array_equal(composed.data, expected.data)

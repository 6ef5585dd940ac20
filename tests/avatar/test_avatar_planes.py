"""Pictures in planes: areas are parts of the whole, and painting stays within its bounds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.avatar import FAMILY_328, Box, crop_inputs
from viseme.avatar.planes import Planes, shrunk, size_of
from viseme.avatar.video_source import VideoFrames
from viseme.avatar.video_target import write_frames

WIDTH, HEIGHT = 62, 48


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def noisy_planes(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Planes:
    rng = np.random.default_rng(seed)
    return Planes(rng.integers(0, 256, (height * 3 // 2, width), np.uint8))


@st.composite
def spans(draw: st.DrawFn, length: int) -> slice:
    start = draw(st.integers(0, length - 1))
    return slice(start, draw(st.integers(start + 1, length)))


@given(rows=spans(HEIGHT), cols=spans(WIDTH), seed=st.integers(0, 99))
def test_an_area_is_what_it_is_in_the_whole(rows: slice, cols: slice, seed: int) -> None:
    planes = noisy_planes(seed=seed)
    np.testing.assert_array_equal(planes.bgr((rows, cols)), planes.bgr()[rows, cols])


def test_a_crop_is_the_same_from_planes_and_from_their_picture() -> None:
    planes = noisy_planes(640, 480)
    for box in (Box(101, 33, 402, 334), Box(-20, 300, 281, 601), Box(500, -9, 701, 192)):
        for ours, expected in zip(
            crop_inputs(planes, box, FAMILY_328),
            crop_inputs(planes.bgr(), box, FAMILY_328),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, expected)


@given(
    rows=spans(HEIGHT // 2),
    cols=spans(WIDTH // 2),
    down=st.integers(0, 1),
    right=st.integers(0, 1),
)
def test_painting_changes_nothing_outside(rows: slice, cols: slice, down: int, right: int) -> None:
    area = (
        slice(2 * rows.start, 2 * rows.stop),
        slice(2 * cols.start, 2 * cols.stop),
    )
    height, width = (span.stop - span.start for span in area)
    within = slice(down, height), slice(right, width)
    before = noisy_planes()
    after = before.copy()
    picture = noise(width, height, seed=1)
    after.paint(picture, area, within)
    expected = Planes.of(picture)
    for mine, old, new, halved in zip(
        after.parts(), before.parts(), expected.parts(), (1, 2, 2), strict=True
    ):
        spot = tuple(slice(span.start // halved, span.stop // halved) for span in area)
        painted = within if halved == 1 else (slice(None), slice(None))
        np.testing.assert_array_equal(mine[spot][painted], new[painted])
        changed = mine != old
        changed[spot][painted] = False
        assert not changed.any()


@pytest.mark.parametrize("size", [(5, 4), (4, 5), (7, 7)])
def test_odd_sizes_grow_by_a_repeated_row_or_column(size: tuple[int, int]) -> None:
    width, height = size
    picture = noise(width, height)
    planes = Planes.of(picture)
    assert (planes.width, planes.height) == (width + width % 2, height + height % 2)
    padded = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    np.testing.assert_array_equal(planes.data, Planes.of(padded).data)


def test_a_frame_of_video_and_back_keeps_its_planes() -> None:
    planes = noisy_planes()
    back = Planes.decoded(planes.video_frame())
    assert back is not None
    np.testing.assert_array_equal(back.data, planes.data)


def test_our_own_videos_stay_in_planes_and_take_half_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "frames.mp4"
    write_frames(path, [noise(64, 48, seed) for seed in range(3)], (64, 48), 14)
    source = VideoFrames(path)
    try:
        assert source.planar
        frames = list(source.decode(0, 3))
        for frame in frames:
            assert isinstance(frame, Planes)
            assert frame.data.nbytes == source.frame_bytes == 64 * 48 * 3 // 2
    finally:
        source.close()


@pytest.mark.parametrize("tags", [(5, 1), (6, 1), (1, 2)])
def test_frames_in_other_colours_are_not_taken_for_ours(tags: tuple[int, int]) -> None:
    frame = noisy_planes().video_frame()
    frame.colorspace, frame.color_range = tags
    assert Planes.decoded(frame) is None


@pytest.mark.parametrize("size", [(160, 90), (240, 136), (80, 44), (32, 18)])
def test_a_smaller_picture_shows_the_same(size: tuple[int, int]) -> None:
    width, height = 320, 180
    right, down = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 50, height))
    picture = np.stack([right, 255 - right, right + down], axis=-1).astype(np.uint8)
    planes = Planes.of(picture)
    small = planes.shrunk(*size)
    assert size_of(small) == size
    expected = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    assert np.abs(small.bgr().astype(int) - expected).max() <= 8
    assert np.abs(shrunk(picture, *size).astype(int) - expected).max() <= 3
    assert planes.shrunk(width, height) is planes
    assert shrunk(picture, width, height) is picture

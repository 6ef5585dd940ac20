"""Boxes and crops, inside the frame, at its edges and over them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.avatar import FAMILY_168, FAMILY_328, Box, Geometry, crop_face, crop_inputs
from viseme.errors import AvatarError

WIDTH, HEIGHT = 96, 64


def noise(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Squares that have at least a pixel on the frame, and may pass any of its edges."""
    side = draw(st.integers(16, 150))
    x1 = draw(st.integers(1 - side, WIDTH - 1))
    y1 = draw(st.integers(1 - side, HEIGHT - 1))
    return Box(x1, y1, x1 + side, y1 + side)


@given(boxes())
def test_overlap_is_the_same_part_on_both_sides(box: Box) -> None:
    overlap = box.overlap(WIDTH, HEIGHT)
    for axis, origin, limit in ((0, box.y1, HEIGHT), (1, box.x1, WIDTH)):
        on_frame, on_box = overlap.frame[axis], overlap.box[axis]
        assert on_frame.stop - on_frame.start == on_box.stop - on_box.start > 0
        assert on_frame.start - origin == on_box.start
        assert 0 <= on_frame.start < on_frame.stop <= limit
        assert 0 <= on_box.start < on_box.stop <= box.side


@given(boxes())
def test_crop_is_that_of_a_frame_with_repeated_edges(box: Box) -> None:
    frame = noise()
    pad = 200
    wide = cv2.copyMakeBorder(frame, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    face = wide[box.y1 + pad : box.y2 + pad, box.x1 + pad : box.x2 + pad]
    expected = cv2.resize(face, (168, 168), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(crop_face(frame, box, FAMILY_168), expected)


@pytest.mark.parametrize(
    "box", [Box(-16, 0, 0, 16), Box(96, 0, 112, 16), Box(0, -16, 16, 0), Box(0, 64, 16, 80)]
)
def test_box_that_only_touches_from_outside_is_refused(box: Box) -> None:
    with pytest.raises(AvatarError, match="lies outside the frame of 96x64"):
        box.overlap(WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        (Box(0, 0, 20, 21), "not a square"),
        (Box(0, 0, 15, 15), "too small"),
        (Box(20, 20, 0, 0), "too small"),
        (Box(0, 0, 193, 193), "too large"),
        (Box(96, 0, 116, 20), "outside the frame"),
    ],
)
def test_faults_are_named(box: Box, fault: str) -> None:
    assert fault in str(box.fault(WIDTH, HEIGHT))


def test_box_at_the_edge_has_no_fault() -> None:
    assert Box(95, 63, 111, 79).fault(WIDTH, HEIGHT) is None


@pytest.mark.parametrize(
    ("geometry", "rows", "cols"),
    [(FAMILY_328, (5, 309), (5, 314)), (FAMILY_168, (5, 149), (5, 154))],
)
def test_masked_copy_is_black_exactly_where_the_reference_is(
    geometry: Geometry, rows: tuple[int, int], cols: tuple[int, int]
) -> None:
    frame = np.full((400, 400, 3), 255, np.uint8)
    _, visual = crop_inputs(frame, Box(10, 10, 300, 300), geometry)
    black = np.argwhere(visual[3] == 0)
    assert tuple(black.min(axis=0)) == (rows[0], cols[0])
    assert tuple(black.max(axis=0)) == (rows[1], cols[1])
    assert len(black) == (rows[1] - rows[0] + 1) * (cols[1] - cols[0] + 1)
    assert (visual[:3] == 1).all()
    assert (visual[3] == visual[4]).all()
    assert (visual[3] == visual[5]).all()


def test_visual_is_the_inner_square_in_bgr() -> None:
    frame = noise(400, 400)
    box = Box(30, 40, 358, 368)  # as large as the crop: nothing is interpolated
    crop, visual = crop_inputs(frame, box, FAMILY_328)
    np.testing.assert_array_equal(crop, frame[40:368, 30:358])
    expected = frame[44:364, 34:354].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(visual[:3], expected)
    assert visual.dtype == np.float32


def test_given_arrays_are_written_and_returned() -> None:
    frame = noise(200, 200)
    box = Box(-20, 30, 100, 150)
    out = (np.empty((168, 168, 3), np.uint8), np.empty((6, 160, 160), np.float32))
    crop, visual = crop_inputs(frame, box, FAMILY_168, out)
    assert crop is out[0]
    assert visual is out[1]
    fresh = crop_inputs(frame, box, FAMILY_168)
    np.testing.assert_array_equal(crop, fresh[0])
    np.testing.assert_array_equal(visual, fresh[1])


def test_frame_is_not_changed() -> None:
    frame = noise()
    before = frame.copy()
    frame.flags.writeable = False
    crop_inputs(frame, Box(-5, -5, 59, 59), FAMILY_328)
    np.testing.assert_array_equal(frame, before)


def test_family_is_found_by_the_networks_input() -> None:
    assert Geometry.for_input(320) == FAMILY_328
    assert Geometry.for_input(160) == FAMILY_168
    with pytest.raises(AvatarError, match="256x256; use one of 320 or 160"):
        Geometry.for_input(256)

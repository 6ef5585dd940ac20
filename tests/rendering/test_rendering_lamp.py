"""The avatar that the page's figures are measured with: lit exactly while there is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.loudness import BURST_S, FACE, bursts, make_lamp
from viseme.rendering import RenderOptions, render


@pytest.mark.parametrize("rate_hz", [16_000, 48_000, 44_100])
def test_its_face_is_white_in_the_pictures_of_a_burst_and_in_no_other(
    tmp_path: Path, rate_hz: int
) -> None:
    avatar = make_lamp(tmp_path / "lamp")
    options = RenderOptions(backend="onnxruntime")
    left, top = FACE
    light = [
        int(frame.image[top, left, 1])
        for frame in render((bursts(5, rate_hz), rate_hz), avatar, options)
    ]
    lit = [number for number, value in enumerate(light) if value > 250]
    assert lit == [
        25 * second + more for second in range(1, 5) for more in range(round(25 * BURST_S))
    ]
    assert all(value < 5 for number, value in enumerate(light) if number not in lit)

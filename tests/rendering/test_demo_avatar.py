"""The built-in avatar, end to end: the same pixels each time, moved by speech, else still."""

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import viseme
from viseme.avatar import crop_face


@pytest.fixture(autouse=True)
def cache_dir(session_cache_dir: Path) -> Path:
    """Choose how to run the avatar once, and not for each test."""
    return session_cache_dir


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """Two seconds of the demonstration's speech, 16 kHz."""
    with as_file(files("viseme") / "data" / "speech" / "demo.flac") as path:
        return viseme.audio.read(path)[8_000:40_000]


@pytest.fixture(scope="module")
def spoken(speech: NDArray[np.float32]) -> list[viseme.Frame]:
    return rendered(speech)


def rendered(samples: NDArray[np.float32]) -> list[viseme.Frame]:
    with viseme.load_avatar("demo") as avatar:
        return list(viseme.render(samples, avatar))


def changes(frames: list[viseme.Frame]) -> NDArray[np.float64]:
    """Return how much each frame's lower face differs from the avatar's own, in grey levels."""
    with viseme.load_avatar("demo") as avatar:
        differences = []
        for frame in frames:
            index = frame.avatar_frame
            pair = [
                crop_face(image, avatar.box(index), avatar.geometry)[80:220, 80:240]
                for image in (frame.image, avatar.frame(index))
            ]
            differences.append(np.abs(pair[0].astype(float) - pair[1]).mean())
    return np.array(differences)


def test_rendering_twice_gives_the_same_pixels(
    speech: NDArray[np.float32], spoken: list[viseme.Frame]
) -> None:
    again = rendered(speech)
    assert len(spoken) == len(again) >= 48
    for a, b in zip(spoken, again, strict=True):
        assert np.array_equal(a.image, b.image), f"frame {a.index}"


def test_speech_moves_the_mouth_and_nothing_else(spoken: list[viseme.Frame]) -> None:
    assert np.percentile(changes(spoken), 80) > 4
    with viseme.load_avatar("demo") as avatar:
        for frame in spoken:
            x1, y1, x2, y2 = avatar.box(frame.avatar_frame)
            own, new = avatar.frame(frame.avatar_frame).copy(), frame.image.copy()
            own[y1:y2, x1:x2] = new[y1:y2, x1:x2] = 0
            assert np.array_equal(own, new)


@pytest.mark.parametrize("level", [0.0, 0.002], ids=["silence", "low noise"])
def test_without_speech_the_mouth_rests(level: float) -> None:
    noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * level
    assert changes(rendered(noise)).max() < 2.5


def test_frames_are_numbered_timed_and_in_ping_pong_order(speech: NDArray[np.float32]) -> None:
    options = viseme.RenderOptions(start_frame=290)
    with viseme.load_avatar("demo") as avatar:
        frames = list(viseme.render(speech[:16_000], avatar, options))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[10].time_s == pytest.approx(0.4)
    shown = [frame.avatar_frame for frame in frames]
    assert shown[:12] == [*range(290, 300), 298, 297]

import wave
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.errors import InputError
from viseme.rendering.speech import open_speech
from viseme.video import Sound, make_sound


@contextmanager
def open_sound(path: Path) -> Iterator[Sound]:
    with open_speech(path) as speech, closing(speech.pieces()) as pieces:
        yield make_sound(pieces)


def wave_file(path: Path, samples: NDArray[np.int16], rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def noise(count: int, channels: int) -> NDArray[np.int16]:
    return np.random.default_rng(3).integers(-32768, 32768, (count, channels), dtype=np.int16)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (44_100, 2), (48_000, 2)])
def test_a_file_keeps_rate_channels_and_samples(
    tmp_path: Path, rate_hz: int, channels: int
) -> None:
    samples = noise(20_001, channels)
    with open_sound(wave_file(tmp_path / "a.wav", samples, rate_hz)) as sound:
        assert (sound.rate_hz, sound.channels) == (rate_hz, channels)
        back = np.concatenate(list(sound.blocks), axis=1)
    assert np.array_equal(np.round(back.T * 32768).astype(np.int16), samples)


def test_studio_rates_come_down_to_48_khz(tmp_path: Path) -> None:
    with open_sound(wave_file(tmp_path / "a.wav", noise(96_000, 2), 96_000)) as sound:
        assert (sound.rate_hz, sound.channels) == (48_000, 2)
        assert sum(block.shape[1] for block in sound.blocks) == pytest.approx(48_000, abs=1)


@pytest.mark.parametrize("channels", [3, 6, 12])
def test_many_channels_become_one(tmp_path: Path, channels: int) -> None:
    samples = noise(20_000, channels)
    with open_sound(wave_file(tmp_path / "a.wav", samples, 48_000)) as sound:
        assert sound.channels == 1
        back = np.concatenate(list(sound.blocks), axis=1)[0]
    assert back == pytest.approx(samples.mean(axis=1) / 32768, abs=1e-6)


def test_a_cut_off_file_ends_where_it_is_cut(tmp_path: Path) -> None:
    path = wave_file(tmp_path / "a.wav", noise(20_000, 1), 16_000)
    path.write_bytes(path.read_bytes()[:20_044])
    with open_sound(path) as sound:
        assert sum(block.shape[1] for block in sound.blocks) == 10_000


@pytest.mark.parametrize("content", [b"", b"not a sound", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InputError), open_sound(path):
        pass


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[-32768], [0], [16384]], np.int16), [-1, 0, 0.5]),
        (np.array([[0], [128], [192]], np.uint8), [-1, 0, 0.5]),
        (np.array([[-1], [0], [0.5]]), [-1, 0, 0.5]),
        (np.array([[-1, 1, 0], [0.5, 0.25, 0]]), [0, 0.25]),
    ],
)
def test_samples_of_any_type_become_float(array: NDArray[Any], expected: list[float]) -> None:
    sound = make_sound([(array, 16_000)])
    assert sound.channels == 1
    assert np.concatenate(list(sound.blocks), axis=1)[0] == pytest.approx(expected)


def test_two_columns_are_two_channels() -> None:
    sound = make_sound([(np.array([[0.1, -0.1], [0.2, -0.2]]), 16_000)])
    assert sound.channels == 2
    assert next(sound.blocks) == pytest.approx(np.array([[0.1, 0.2], [-0.1, -0.2]]))


def test_a_piece_of_another_rate_and_channels_is_brought_to_the_first() -> None:
    sound = make_sound([(noise(4_000, 1), 16_000), (noise(44_100, 2), 44_100)])
    blocks = list(sound.blocks)
    assert {block.shape[0] for block in blocks} == {1}
    assert sum(block.shape[1] for block in blocks) == pytest.approx(20_000, abs=20)


def test_no_pieces_are_no_sound() -> None:
    with pytest.raises(InputError, match="no sound that can be decoded"):
        make_sound([])

"""Decoding: every container and sample type, blocks, open files, and what is told beforehand."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fake_audio_encoder import FakeEncoder
from numpy.typing import NDArray

import viseme.audio
from support.sound_files import RATE_HZ, encoded, of_soundfile, speech, wav
from viseme.audio import (
    SoundInfo,
    WindowStream,
    decode,
    features,
    from_samples,
    length_s,
    mel_spectrogram,
    probe,
    read,
    windows,
)
from viseme.errors import VisemeWarning

SOUND = speech(2.0)
LOSSLESS = from_samples(SOUND, RATE_HZ)


def best_shift_error(sound: NDArray[np.float32]) -> float:
    """The largest error against the original, where a codec may have moved it by up to 25 ms."""
    inner = LOSSLESS[4_000:28_000]
    shifts = range(-400, 401)
    return min(float(np.abs(sound[4_000 + s : 28_000 + s] - inner).max()) for s in shifts)


File = Callable[[], bytes]
"""Makes a file when it is asked for: workers read this module for the sake of other tests, too."""

EXACT: dict[str, File] = {
    "s16": partial(wav, SOUND),
    "s32": partial(wav, SOUND.astype(np.int32) << 16),
    "s64": partial(wav, SOUND.astype(np.int64) << 48),
    "f32": partial(wav, SOUND.astype(np.float32) / 2**15),
    "f64": partial(wav, SOUND.astype(np.float64) / 2**15),
    "s24": partial(of_soundfile, SOUND, "WAV", "PCM_24"),
    "rf64": partial(of_soundfile, SOUND, "RF64", "PCM_16"),
    "w64": partial(of_soundfile, SOUND, "W64", "PCM_16"),
    "aiff": partial(of_soundfile, SOUND, "AIFF", "PCM_24"),
    "flac 16": partial(encoded, "flac", "flac", SOUND),
    "flac 24": partial(of_soundfile, SOUND, "FLAC", "PCM_24"),
}
COARSE: dict[str, File] = {
    "u8": partial(wav, ((SOUND >> 8) + 128).astype(np.uint8)),
    "a-law": partial(of_soundfile, SOUND, "WAV", "ALAW"),
    "mu-law": partial(of_soundfile, SOUND, "WAV", "ULAW"),
}
COMPRESSED: dict[str, File] = {
    "mp3": partial(encoded, "mp3", "mp3", SOUND),
    "m4a": partial(encoded, "ipod", "aac", SOUND),
    "aac": partial(encoded, "adts", "aac", SOUND),
    "opus": partial(encoded, "ogg", "libopus", SOUND),
    "vorbis": partial(of_soundfile, SOUND, "OGG", "VORBIS"),
    "webm": partial(encoded, "webm", "libopus", SOUND),
    "mkv": partial(encoded, "matroska", "aac", SOUND),
    "video": partial(encoded, "mp4", "aac", SOUND, picture=True),
}
VIDEO_OF_MATROSKA = partial(encoded, "matroska", "aac", SOUND, picture=True)


@pytest.mark.parametrize("name", EXACT)
def test_lossless_files_are_the_samples_themselves(name: str) -> None:
    np.testing.assert_allclose(read(io.BytesIO(EXACT[name]())), LOSSLESS, atol=1e-6)


@pytest.mark.parametrize("name", COARSE)
def test_eight_bit_files_are_close(name: str) -> None:
    np.testing.assert_allclose(read(io.BytesIO(COARSE[name]())), LOSSLESS, atol=0.02)


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_files_are_close(name: str) -> None:
    sound = read(io.BytesIO(COMPRESSED[name]()))
    assert abs(len(sound) - 32_000) < 16_000 * 0.1
    assert best_shift_error(sound) < 0.02


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count(rate_hz: int, channels: int) -> None:
    sound = speech(0.3, rate_hz, channels)
    decoded = read(io.BytesIO(wav(sound, rate_hz)))
    np.testing.assert_allclose(decoded, from_samples(sound, rate_hz), atol=1e-6)


def test_channels_of_a_file_are_averaged() -> None:
    sound = np.array([[16_384, -16_384], [16_384, 0]] * 100, dtype=np.int16)
    decoded = read(io.BytesIO(wav(sound, 16_000)))
    np.testing.assert_array_equal(decoded, [0, 0.25] * 100)


@pytest.mark.parametrize("block_s", [0.01, 0.3, 1.0, 5.0])
def test_blocks_have_the_length_asked_for(block_s: float) -> None:
    blocks = list(decode(io.BytesIO(wav(SOUND)), block_s=block_s))
    assert {len(block) for block in blocks[:-1]} <= {round(block_s * 16_000)}
    assert 0 < len(blocks[-1]) <= round(block_s * 16_000)
    np.testing.assert_array_equal(np.concatenate(blocks), LOSSLESS)


@pytest.mark.parametrize("block_s", [0, -1, 1e-9])
def test_a_block_has_at_least_one_sample(block_s: float) -> None:
    with pytest.raises(ValueError, match="block_s must be at least one sample long"):
        decode(io.BytesIO(), block_s=block_s)


def test_a_path_may_be_text_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "höre zu.wav"
    path.write_bytes(wav(SOUND))
    np.testing.assert_array_equal(read(path), LOSSLESS)
    np.testing.assert_array_equal(read(str(path)), LOSSLESS)


def test_a_file_is_read_from_its_beginning_and_left_open() -> None:
    with tempfile.TemporaryFile() as file:  # its name is a number
        file.write(wav(SOUND))
        np.testing.assert_array_equal(read(file), LOSSLESS)
        np.testing.assert_array_equal(read(file), LOSSLESS)
        assert not file.closed


class Pipe(io.RawIOBase):
    """A source that cannot seek, and gives what it likes at once."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        return self._source(min(size, 1_000))


@pytest.mark.parametrize("name", ["s16", "flac 16", "webm", "mp3"])
def test_a_pipe_is_decoded_too(name: str) -> None:
    data = io.BytesIO((EXACT | COMPRESSED)[name]())
    sound = np.concatenate(list(decode(Pipe(data.read))))  # type: ignore[arg-type]
    assert best_shift_error(sound) < 0.02


def test_a_consumer_that_stops_early_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(SOUND))
    blocks = decode(path)
    next(blocks)
    assert path in open_files()
    del blocks
    assert path not in open_files()


def open_files() -> set[Path]:
    return {link.resolve() for link in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("block_s", [0.02, 0.7])
def test_windows_of_blocks_equal_those_of_the_whole_file(block_s: float) -> None:
    data = wav(speech(2.5, 44_100), 44_100)
    expected = windows(features(mel_spectrogram(read(io.BytesIO(data))), FakeEncoder()))
    stream = WindowStream(FakeEncoder())
    parts = [stream.push(block) for block in decode(io.BytesIO(data), block_s=block_s)]
    streamed = np.concatenate([*parts, stream.flush()])
    assert streamed.shape == expected.shape
    np.testing.assert_allclose(streamed, expected, atol=1e-5)


def endless_wav(size: int) -> Callable[[int], bytes]:
    """A WAV file of `size` bytes that is made as it is read."""
    header = io.BytesIO(wav(np.zeros((0, 1), dtype=np.int16), 16_000))
    left = iter(range(size // 1_000))
    return lambda count: header.read(count) or (bytes(count) if next(left, None) else b"")


def test_memory_does_not_grow_with_length() -> None:
    pipe = Pipe(endless_wav(6_000_000))  # three minutes
    stream = WindowStream(FakeEncoder())
    blocks = (stream.push(block) for block in decode(pipe))  # type: ignore[arg-type]
    tracemalloc.start()
    for _ in itertools.islice(blocks, 10):
        pass
    _, peak_of_ten_seconds = tracemalloc.get_traced_memory()
    count = sum(1 for _ in blocks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 150
    assert peak < peak_of_ten_seconds + 500_000


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (EXACT["s16"], SoundInfo(2.0, 48_000, 2, "pcm_s16le")),
        (COMPRESSED["mp3"], SoundInfo(2.0, 48_000, 2, "mp3")),
        (partial(encoded, "flac", "flac", SOUND[:, :1]), SoundInfo(2.0, 48_000, 1, "flac")),
        (COMPRESSED["webm"], SoundInfo(2.0, 48_000, 2, "opus")),
        (COMPRESSED["video"], SoundInfo(2.0, 48_000, 2, "aac")),
        (VIDEO_OF_MATROSKA, SoundInfo(2.0, 48_000, 2, "aac")),
    ],
    ids=["wav", "mp3", "flac", "webm", "video", "mkv video"],
)
def test_probe_tells_what_there_is(file: File, expected: SoundInfo) -> None:
    info = probe(io.BytesIO(file()))
    assert info.duration_s == pytest.approx(expected.duration_s, abs=0.05)
    assert info == replace(expected, duration_s=info.duration_s, stated_s=info.stated_s)


def test_probe_tells_what_is_stated_from_an_estimate() -> None:
    assert probe(io.BytesIO(wav(SOUND))).stated_s == 2.0
    raw = probe(io.BytesIO(encoded("adts", "aac", SOUND)))
    assert raw.duration_s == pytest.approx(2.0, abs=0.5)
    assert raw.stated_s is None


def test_damage_goes_where_it_is_asked_for() -> None:
    sentences: list[str] = []
    cut = wav(SOUND)[:200_000]
    assert len(list(decode(io.BytesIO(cut), on_damage=sentences.append))) == 2
    assert sentences == ["The sound is cut off: of its 2.00 s, the first 1.04 s are used."]


def test_probe_of_a_live_recording_knows_no_length() -> None:
    data = encoded("webm", "libopus", SOUND, options={"live": "1"})
    assert probe(io.BytesIO(data)).duration_s is None
    assert best_shift_error(read(io.BytesIO(data))) < 0.02


@pytest.mark.parametrize(
    ("file", "seconds"),
    [
        *((file, 2.0) for file in (EXACT | COARSE | COMPRESSED).values()),
        (partial(encoded, "webm", "libopus", SOUND, options={"live": "1"}), 2.0),
        (lambda: COMPRESSED["aac"]()[:-100], 2.0),
        (lambda: 2 * COMPRESSED["aac"](), 4.0),
        (VIDEO_OF_MATROSKA, 2.0),
    ],
)
def test_the_length_is_known_whether_it_is_stated_or_not(file: File, seconds: float) -> None:
    assert length_s(io.BytesIO(file())) == pytest.approx(seconds, abs=0.06)


def test_a_short_sound_beside_a_long_picture_is_whole() -> None:
    data = encoded("matroska", "aac", speech(0.5), picture=True)
    assert len(read(io.BytesIO(data))) == pytest.approx(8_000, abs=1_600)


def test_sample_rate_that_changes_on_the_way() -> None:
    # Two Ogg files in a row are one file of Ogg.
    first = encoded("ogg", "flac", speech(1.0, 48_000), rate_hz=48_000)
    second = encoded("ogg", "flac", speech(1.0, 16_000, 1), rate_hz=16_000)
    assert len(read(io.BytesIO(first + second))) == pytest.approx(32_000, abs=2)


def test_streams_that_turn_up_on_the_way() -> None:
    first = encoded("mpegts", "aac", speech(4.0))
    second = encoded("mpegts", "aac", speech(1.0), picture=True)
    pipe = Pipe(io.BytesIO(first + second).read)  # so that they are not found beforehand
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VisemeWarning)  # the second clock begins again
        sound = np.concatenate(list(decode(pipe)))  # type: ignore[arg-type]
    assert len(sound) >= 64_000


def test_importing_takes_no_decoder_along() -> None:
    code = "import sys, viseme.audio; sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there() -> None:
    for name in viseme.audio.__all__:
        assert hasattr(viseme.audio, name)

"""Bad input: each kind gives one sentence, or what can be used of it and a warning."""

from __future__ import annotations

import errno
import io
import os
import struct
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.sound_files import (
    RATE_HZ,
    chunk,
    encoded,
    of_soundfile,
    riff,
    silent_video,
    speech,
    wav,
)
from viseme.audio import decode, probe, read
from viseme.errors import InputError, VisemeError, VisemeWarning

SOUND = speech(4.0)


def refusal(source: str | Path | io.IOBase | bytes) -> str:
    """The sentence with which `source` is refused."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    with pytest.raises(InputError) as caught:
        read(opened)  # type: ignore[arg-type]
    return str(caught.value)


def read_with_warning(data: bytes) -> tuple[NDArray[np.float32], str]:
    with pytest.warns(VisemeWarning) as caught:
        sound = read(io.BytesIO(data))
    assert len(caught) == 1
    return sound, str(caught[0].message)


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    assert refusal(path) == f"{path} does not exist: check the path."


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"{tmp_path} is a folder: give a WAV, FLAC,")


def test_an_empty_name() -> None:
    assert refusal("").startswith("The sound file has no name: give a WAV, FLAC,")


class Failing(io.BytesIO):
    """A file on a disk that fails after the first 100 kB."""

    def __init__(self, data: bytes, code: int) -> None:
        super().__init__(data)
        self._code = code

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100_000:
            raise OSError(self._code, os.strerror(self._code))
        return super().read(size)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.EIO, "The sound cannot be read (Input/output error): check the path and disk."),
        (errno.EACCES, "The sound may not be read: change its permissions."),
    ],
)
def test_a_disk_that_fails(code: int, sentence: str) -> None:
    assert refusal(Failing(wav(SOUND), code)) == sentence


def test_a_path_that_is_none() -> None:
    assert refusal("a\0b.wav") == "'a\\x00b.wav' is not a path: check it."
    assert "File name too long" in refusal("a" * 5_000)


def test_a_text_file_object() -> None:
    assert refusal(io.StringIO("text")) == "The sound cannot be read: open it in binary mode."


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"hello\n" * 500, bytes(50_000), np.random.default_rng(1).bytes(50_000)],
    ids=["empty", "magic", "text", "zeros", "noise"],
)
def test_what_is_no_sound(data: bytes) -> None:
    assert refusal(data).startswith("The sound cannot be decoded, it is no sound or its header")


def test_a_picture_without_sound() -> None:
    assert refusal(silent_video()).startswith("The sound has no sound: give a WAV")


@pytest.mark.parametrize(
    "file",
    [
        lambda: wav(SOUND[:0]),
        lambda: wav(SOUND)[:44],
        lambda: encoded("flac", "flac", SOUND[:0]),
        lambda: encoded("webm", "libopus", SOUND)[:500],
        lambda: encoded("matroska", "pcm_s16le", SOUND)[:500],
    ],
    ids=["empty wav", "wav header", "flac", "webm", "mkv"],
)
def test_nothing_but_a_header(file: Callable[[], bytes]) -> None:
    said = "The sound has no sound that can be decoded: record or export it again."
    assert refusal(file()) == said


def test_a_codec_nobody_knows() -> None:
    assert "has sound of a format that is not known" in refusal(wav(SOUND, tag=0x1234))


@pytest.mark.parametrize(("rate_hz", "channels"), [(1, 1), (16_000, 300)])
def test_a_header_that_promises_the_impossible(rate_hz: int, channels: int) -> None:
    sentence = refusal(wav(np.zeros((1_000, channels), dtype=np.int16), rate_hz))
    assert "1 Hz" in sentence if rate_hz == 1 else "300 channels" in sentence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value: float) -> None:
    sound = np.zeros((RATE_HZ, 2), dtype=np.float32)
    sound[RATE_HZ // 4, 1] = value
    assert "sample that is not a finite number, or far too large, at 0.250 s" in refusal(wav(sound))


def test_what_comes_before_bad_samples_is_given() -> None:
    sound = np.zeros((3 * RATE_HZ, 1), dtype=np.float32)
    sound[-1] = np.nan
    blocks = decode(io.BytesIO(wav(sound)))
    assert len(next(blocks)) == 16_000
    assert len(next(blocks)) == 16_000
    with pytest.raises(InputError, match=r"at 3\.000 s"):
        next(blocks)


STATED: dict[str, Callable[[], bytes]] = {
    "wav": partial(wav, SOUND),
    "rf64": partial(of_soundfile, SOUND, "RF64", "PCM_24"),
    "flac": partial(encoded, "flac", "flac", SOUND),
    "mp3": partial(encoded, "mp3", "mp3", SOUND),
    "m4a": partial(encoded, "ipod", "aac", SOUND, options={"movflags": "faststart"}),
    "webm": partial(encoded, "webm", "libopus", SOUND),
    "aiff": partial(encoded, "aiff", "pcm_s16be", SOUND),
}
UNSTATED: dict[str, Callable[[], bytes]] = {
    "aac": partial(encoded, "adts", "aac", SOUND),
    "opus": partial(encoded, "ogg", "libopus", SOUND),
}


@cache
def whole(name: str) -> bytes:
    """Make a file, once it is asked for: workers read this module for other tests, too."""
    return (STATED | UNSTATED)[name]()


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_cut_off_in_the_middle_of_a_file_that_says_its_length(name: str, part: float) -> None:
    data = whole(name)
    sound, warning = read_with_warning(data[: int(len(data) * part)])
    used_s = len(sound) / 16_000
    assert 4 * part - 1 < used_s < 4 * part + 0.1
    assert warning.startswith("The sound is cut off: of its 4.0")
    assert float(warning.split()[-4]) == pytest.approx(used_s, abs=0.011)


@pytest.mark.parametrize("name", UNSTATED)
def test_cut_off_in_the_middle_of_a_file_that_does_not(name: str) -> None:
    data = whole(name)
    sound, warning = read_with_warning(data[: int(len(data) * 0.6)])
    assert 0.9 < len(sound) / 16_000 < 2.6
    assert warning == f"The sound is cut off: the first {len(sound) / 16_000:.2f} s are used."


@pytest.mark.parametrize("name", STATED | UNSTATED)
def test_a_whole_file_gives_no_warning(name: str) -> None:
    assert len(read(io.BytesIO(whole(name)))) >= 63_900


def test_cut_off_before_the_index_that_stands_at_the_end() -> None:
    data = encoded("ipod", "aac", SOUND)
    assert "cannot be decoded" in refusal(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("name", "said"),
    [("flac", "has gaps"), ("opus", "has gaps"), ("mp3", "is damaged"), ("aac", "is damaged")],
)
def test_damage_in_the_middle(name: str, said: str) -> None:
    data = bytearray(whole(name))
    middle = len(data) // 2
    data[middle : middle + 3_000] = np.random.default_rng(0).bytes(3_000)
    sound, warning = read_with_warning(bytes(data))
    assert 2.9 < len(sound) / 16_000 < 3.9
    assert warning.startswith(f"The sound {said}: ")
    assert warning.endswith(f"the other {len(sound) / 16_000:.2f} s are used.")


def test_endless_damage_is_taken_for_the_end() -> None:
    # Headers of packets of 11 bytes, as good as those of the sound itself, with rubbish in them.
    rubbish = (b"\xff\xf1\x4c\x80\x01\x7f\xfc" + bytes([0xAA]) * 4) * 1_500
    sound, warning = read_with_warning(whole("aac") + rubbish + whole("aac"))
    assert warning == f"The sound is cut off: the first {len(sound) / 16_000:.2f} s are used."
    assert len(sound) / 16_000 == pytest.approx(4, abs=0.1)


def live_wav(size: int) -> bytes:
    """A recording whose recorder never came back to fill in the size."""
    head, samples = wav(SOUND)[:40], SOUND.tobytes()
    return head + struct.pack("<I", size) + samples


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF, 0x7FFFF000])
def test_a_size_never_filled_in_is_no_damage(size: int) -> None:
    assert len(read(io.BytesIO(live_wav(size)))) == 64_000


def test_other_chunks_before_the_samples_are_passed_over() -> None:
    plain = wav(SOUND)
    parts = (chunk(b"junk", b"odd") + b"\0", plain[12:36], chunk(b"data", SOUND.tobytes()))
    data = riff(*parts)
    assert len(read(io.BytesIO(data))) == 64_000
    _, warning = read_with_warning(data[: len(data) // 2])
    assert warning == "The sound is cut off: of its 4.00 s, the first 2.00 s are used."


def test_a_playlist_cannot_reach_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret.ts").write_bytes(encoded("mpegts", "aac", SOUND))
    (tmp_path / "secret.wav").write_bytes(wav(SOUND))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:4,\n{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n"
    )
    assert "cannot be decoded" in refusal(playlist)
    script = tmp_path / "list.ffconcat"
    script.write_text("ffconcat version 1.0\nfile secret.wav\n")
    assert "cannot be decoded" in refusal(script)


@pytest.mark.parametrize("name", STATED | UNSTATED)
def test_probe_refuses_as_decode_does(name: str) -> None:
    with pytest.raises(InputError, match="The sound"):
        probe(io.BytesIO(whole(name)[:20]))


@settings(max_examples=150)
@given(st.data())
def test_no_damage_ends_in_another_error(data: st.DataObject) -> None:
    sound_file = whole(data.draw(st.sampled_from([*STATED, *UNSTATED])))[:60_000]
    damaged = bytearray(sound_file[: data.draw(st.integers(0, len(sound_file)))])
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, max(0, len(damaged) - 1)) | st.integers(0, 200))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        damaged[place : place + len(piece)] = piece
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VisemeWarning)
        try:
            sound = read(io.BytesIO(bytes(damaged)))
        except VisemeError:
            return
    assert len(sound) > 0
    assert np.isfinite(sound).all()

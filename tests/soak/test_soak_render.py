"""Ten hours of sound in one render: `make soak-render`, not part of `make test`.

`VISEME_SOAK_RENDER_HOURS` says how many. The avatar's face is lit exactly while there is sound, so
that the last pictures tell whether sound and picture are still together. What the process holds is
looked at all the time, and compared between the beginning and the end.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from support.command_line import PROGRAM
from support.loudness import BURST_S, FACE, bursts, make_lamp
from support.memory import resident_mib

HOURS = float(os.environ.get("VISEME_SOAK_RENDER_HOURS", "10"))
RATE_HZ = 16_000
FRAMES = round(HOURS * 3600 * 25)
GROWTH_MAX_MIB = 16.0
"""In all: an allocator's drift. An hour's index of pictures and pieces of sound would be more, and
one picture held in a thousand ten times as much in each hour."""
LOOK_S = 1.0
LIT = 170
LAST_S = 20

pytestmark = [pytest.mark.soak, pytest.mark.timeout(HOURS * 3600)]


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A burst at each whole second, but for the first of each minute."""
    path = tmp_path / "speech.flac"
    minute = bursts(60, RATE_HZ)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1) as file:
        for _ in range(round(HOURS * 60)):
            file.write(minute)
    return path


def test_memory_does_not_grow_and_the_end_is_in_time(tmp_path: Path, speech: Path) -> None:
    avatar = make_lamp(tmp_path / "lamp")
    out = tmp_path / "out.mp4"
    rendering = subprocess.Popen(
        [*PROGRAM, "render", str(speech), "-a", str(avatar), "-o", str(out), "--json"],
        env={**os.environ, "VISEME_CACHE_DIR": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
    )
    held_mib: list[float] = []
    while rendering.poll() is None:
        time.sleep(LOOK_S)
        held_mib.append(resident_mib(rendering.pid))
        if len(held_mib) % 60 == 0:
            print(f"{len(held_mib) * LOOK_S:.0f} s: {held_mib[-1]:.0f} MiB", flush=True)
    told = json.loads(rendering.communicate()[0])
    assert rendering.returncode == 0

    # At first caches fill; at the end the index is written, and what is held is let go of.
    few = max(5, len(held_mib) // 20)
    first, last = held_mib[few : 2 * few], held_mib[-2 * few : -few]
    before, after = statistics.median(first), statistics.median(last)
    pace = told["frames"] / told["elapsed_s"]
    size_mib = out.stat().st_size / 2**20
    print(
        f"{HOURS} h: {told['frames']} frames at {pace:.0f}/s, {size_mib:.0f} MiB; "
        f"held {before:.0f} MiB, at the end {after:.0f} MiB, at most {max(held_mib):.0f} MiB"
    )
    assert after - before < GROWTH_MAX_MIB
    assert abs(told["frames"] - FRAMES) <= 1
    check_end(out)
    shutil.rmtree(tmp_path)


def check_end(path: Path) -> None:
    """Hold the last pictures to the sound, and both to the same length."""
    x, y = FACE
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        whole_s = length_s(picture)
        assert whole_s == pytest.approx(FRAMES / 25, abs=0.04)
        assert length_s(sound) == pytest.approx(whole_s, abs=0.04)
        container.seek(round((whole_s - LAST_S) * 1e6))
        is_lit, is_loud = [], []
        for frame in container.decode(picture):
            at_s = round(frame.time * 25) / 25
            is_lit.append(frame.to_ndarray(format="gray")[y, x] > LIT)
            is_loud.append(at_s % 60 >= 1 and round(at_s * 25) % 25 < round(BURST_S * 25))
    assert len(is_lit) >= LAST_S * 25
    np.testing.assert_array_equal(is_lit, is_loud)


def length_s(stream: av.VideoStream | av.AudioStream) -> float:
    assert stream.duration is not None
    assert stream.time_base is not None
    return float(stream.duration * stream.time_base)

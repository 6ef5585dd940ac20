"""`/v1/live` with packets of Opus: every sample counts, and the pictures are those of the sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.http_service import Service
from support.live_socket import HELLO, Picture, line, talk
from support.opus import DELAY_SAMPLES, RATE_HZ, packets
from support.probes import window_painter
from support.speech import babble, whole
from support.tiny_avatar import SIZE, make_avatar

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

OPUS = {"rate_hz": RATE_HZ, "format": "opus"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("avatars") / "painter"
    return [make_avatar(folder, generator=window_painter)]


def spoken(service: Service, sounds: list[bytes], **sound: Any) -> tuple[list[Picture], Any]:
    with talk(service, codec="jpeg", sound=sound) as socket:
        for piece in sounds:
            socket.connection.send(piece)
        socket.say(type="end")
        return socket.until("ended")


def difference(pictures: list[Picture], expected: list[bytes]) -> float:
    """Tell by how much pictures differ from others, in the mean of all their pixels."""
    assert len(pictures) == len(expected)
    differences = []
    for picture, pixels in zip(pictures, expected, strict=True):
        shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        wanted = np.frombuffer(pixels, np.uint8).reshape(SIZE[1], SIZE[0], 3)
        assert shown is not None
        differences.append(np.abs(shown.astype(int) - wanted).mean())
    return float(np.mean(differences))


@pytest.mark.parametrize("frame_ms", [20, 60])
def test_pictures_are_those_of_the_sound(
    service: Service, folders: list[Path], frame_ms: int
) -> None:
    sound = babble(1.02, RATE_HZ)
    made = packets(sound, frame_ms)
    pictures, ended = spoken(service, made, **OPUS)
    samples = len(made) * frame_ms * 48
    heard = np.zeros(samples, np.int16)
    heard[DELAY_SAMPLES : DELAY_SAMPLES + len(sound)] = sound
    expected = whole(folders[0], heard, RATE_HZ)
    assert ended == {"type": "ended", "next_sample": samples, "next_index": len(expected)}
    assert [(p.start, p.duration) for p in pictures] == [
        (1_920 * number, 1_920) for number in range(len(expected))
    ]
    plain, _ = spoken(service, [heard.tobytes()], rate_hz=RATE_HZ)
    another: NDArray[np.int16] = np.roll(heard, RATE_HZ // 3)
    other, _ = spoken(service, [another.tobytes()], rate_hz=RATE_HZ)
    # The pixels of an encoder of pictures differ, too; what is another sound differs by far more.
    ours, least, most = (difference(those, expected) for those in (pictures, plain, other))
    assert ours - least < 0.2 * (most - least)


def test_a_broken_packet_is_said(service: Service) -> None:
    with talk(service, sound=OPUS) as socket:
        socket.connection.send(packets(babble(0.1, RATE_HZ))[0])
        socket.connection.send(b"\xff")
        error = socket.next()
        assert isinstance(error, dict)
        assert (error["type"], error["code"]) == ("error", "INVALID_ARGUMENT")
        assert error["message"].startswith("A message is no packet of Opus; ")
        assert socket.closing_code() == 1008


def test_opus_has_a_rate_of_its_own(service: Service) -> None:
    with line(service) as socket:
        socket.say(**{**HELLO, "sound": {**OPUS, "rate_hz": 16_000}})
        error = socket.next()
        assert isinstance(error, dict)
        assert error["message"].startswith("The sound's rate is 16000 Hz, and packets of Opus")

"""`/v1/live` over lines that are too slow: groups of pictures are lost, and nothing else."""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from support.certificates import Authority
from support.house import OpenHouse, open_house, serving
from support.http_service import Service, http_service
from support.live_socket import HELLO, Picture, Socket, talk
from support.live_socket import line as line_to
from support.played_network import PATIENCE_S
from support.probes import window_painter
from support.slow_line import SlowLine, slow_line
from support.speech import babble
from support.tiny_avatar import SIZE, make_avatar
from viseme.serving.config import TlsConfig
from viseme.serving.live_quality import QUALITIES
from viseme.serving.outbox import BYTES_MAX
from viseme.serving.tls import load_tls

pytest_plugins = ["support.house_fixtures"]
pytestmark = pytest.mark.usefixtures("no_thread_is_left")

HALVED = next(step for step, quality in enumerate(QUALITIES) if quality.scale < 1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("avatars") / "painter"
    return [make_avatar(folder, generator=window_painter)]


class Viewer:
    """Decodes what comes as a browser would: from key frames on, and anew after each gap."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.codec = socket.ready["media_type"].removeprefix("video/")
        self.size = self.smallest = socket.ready["width"], socket.ready["height"]
        self.decoder: Any = None
        self.next_number = 0
        self.shown = self.gaps = self.missing = 0
        self.words: list[dict[str, Any]] = []

    def see(self) -> Picture | dict[str, Any]:
        """Take the next message, and look at it."""
        message = self.socket.next()
        if isinstance(message, Picture):
            self._decode(message)
        elif message["type"] == "video":
            self.size = message["width"], message["height"]
            self.smallest = min(self.smallest, self.size)
            self.decoder = None
        else:
            self.words.append(message)
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """See what comes until a word."""
        while isinstance(message := self.see(), Picture) or message["type"] != kind:
            pass
        return message

    def stats(self) -> dict[str, Any]:
        self.socket.say(type="stats")
        return self.until("stats")

    def until_stats(self, are_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask again and again until the answer is as it should be."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not are_so(stats := self.stats()):
            assert time.monotonic() < deadline_s, stats
            for _ in range(5):
                self.see()
        return stats

    def _decode(self, picture: Picture) -> None:
        lost = picture.number - self.next_number
        assert lost >= 0
        self.next_number = picture.number + 1
        if lost or self.decoder is None:
            assert picture.is_key
            self.gaps += bool(lost)
            self.missing += lost
            self.decoder = None
        if self.codec == "image/jpeg":
            image = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert (image.shape[1], image.shape[0]) == self.size
        else:
            if self.decoder is None:
                self.decoder = av.CodecContext.create(self.codec, "r")
                self.decoder.thread_count = 1  # else it holds pictures back
                self.decoder.options = {"err_detect": "explode", "flags": "low_delay"}
            (frame,) = self.decoder.decode(av.Packet(picture.data))
            assert not frame.is_corrupt
            assert (frame.width, frame.height) == self.size
        self.shown += 1


def see_the_end(viewing: Viewer) -> ConnectionClosed:
    """See what comes until the line is closed."""
    try:
        while True:
            viewing.see()
    except ConnectionClosed as closed:
        return closed


@contextmanager
def viewer(service: Service, **hello: Any) -> Iterator[tuple[Viewer, SlowLine]]:
    with slow_line(service.address) as line, talk(line, **hello) as socket:
        yield Viewer(socket), line


@pytest.mark.waiting
def test_lines_that_are_too_slow_lose_groups_of_pictures_and_no_words(service: Service) -> None:
    codecs = ("h264", "vp8", "jpeg")
    with ThreadPoolExecutor(len(codecs)) as viewers:  # it is time that they take, and little else
        for seen in [viewers.submit(see_a_slow_line, service, codec) for codec in codecs]:
            seen.result()


def see_a_slow_line(service: Service, codec: str) -> None:
    with viewer(service, codec=codec, rest=True) as (viewing, line):
        assert viewing.stats()["step"] == 0
        # Noise takes 60 to 100 kB a picture at first, and there are 25 a second.
        line.bytes_per_s = 80_000
        viewing.until_stats(lambda stats: stats["step"] > 0)
        if codec != "jpeg":  # which takes as much at every step
            viewing.until_stats(lambda stats: stats["queue"] == 0)
            line.bytes_per_s = 7_000
        slow = viewing.until_stats(
            lambda stats: stats["step"] >= HALVED and stats["width"] <= SIZE[0] // 2
        )
        assert slow["groups_left_out"] > 1
        assert slow["queue_bytes_most"] < BYTES_MAX + 2**18
        # A speech on the way, of which every word arrives.
        viewing.socket.push(babble(0.5))
        viewing.socket.say(type="end")
        assert viewing.until("ended")["next_sample"] == 8_000
        # They may have grown again by then: a line that carries them all is tried with better ones.
        assert viewing.smallest[0] <= SIZE[0] // 2
        viewing.socket.say(type="ping", id=7)
        assert viewing.until("pong")["id"] == 7

        line.bytes_per_s = None
        step = viewing.stats()["step"]
        viewing.until_stats(lambda stats: stats["step"] < step)
        for _ in range(50):
            viewing.see()
        assert viewing.gaps > 1
        # The numbers of the pictures and the server's own figures are of the same.
        shown, missing = viewing.shown, viewing.missing
        last = viewing.stats()
        while not isinstance(viewing.see(), Picture):
            pass
        assert missing <= last["pictures_left_out"] <= viewing.missing
        assert shown <= last["pictures_sent"] <= viewing.shown


@pytest.mark.in_time
def test_a_file_that_is_sent_ahead_loses_nothing_on_a_line_that_is_fast_enough(
    service: Service,
) -> None:
    sound = babble(3.0)
    with talk(service, size={"width": 200}) as socket:
        socket.push(sound)
        socket.say(type="end")
        whole, ended = socket.until("ended")
    size = sum(len(picture.data) for picture in whole)
    with viewer(service, size={"width": 200}) as (viewing, line):
        line.bytes_per_s = 2 * size / 3
        viewing.socket.push(sound)
        viewing.socket.say(type="end")
        assert viewing.until("ended") == ended
        stats = viewing.stats()
    assert viewing.shown == len(whole)
    assert (stats["pictures_left_out"], stats["step"]) == (0, 0)


@pytest.mark.waiting
def test_a_client_that_stops_reading_is_ended(folders: list[Path]) -> None:
    config = serving(limits={"stall_s": 1})
    with (
        open_house(*folders, config=config) as house,
        http_service(house) as service,
        viewer(service, rest=True) as (viewing, line),
    ):
        viewing.see()
        line.bytes_per_s = 0
        # The line is cut, for no word comes through.
        assert see_the_end(viewing).rcvd is None
        assert not any(house.desk.admission.held)


def test_a_key_frame_is_made_for_whoever_asks(service: Service) -> None:
    with talk(service, rest=True) as socket:
        assert isinstance(first := socket.next(), Picture)
        socket.say(type="key_frame")
        following = [socket.next() for _ in range(45)]
    assert first.is_key
    # By themselves they are 50 apart.
    assert sum(isinstance(p, Picture) and p.is_key for p in following) == 1


def test_stats_of_a_conversation(service: Service) -> None:
    with talk(service, size={"width": 200}) as socket:
        socket.push(babble(0.6))
        socket.say(type="end")
        pictures, _ = socket.until("ended")
        socket.say(type="stats")
        _, stats = socket.until("stats")
    assert stats.pop("kbit_per_s") > 0
    assert stats.pop("late_s") < PATIENCE_S
    assert stats.pop("queue_bytes_most") >= max(len(picture.data) for picture in pictures)
    assert stats == {
        "type": "stats",
        "width": 200,
        "height": 180,
        "step": 0,
        "steps": len(QUALITIES),
        "pictures_sent": len(pictures),
        "pictures_left_out": 0,
        "groups_left_out": 0,
        "queue": 0,
        "queue_bytes": 0,
    }


@pytest.mark.parametrize("codec", ["h264", "vp9", "jpeg"])
@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ({"width": 200}, (200, 180)),
        ({"height": 90, "width": 300}, (100, 90)),
        ({"width": 4_000}, SIZE),
        ({"width": 333}, (332, 298)),
    ],
)
def test_pictures_fit_in_the_size_that_is_wanted(
    service: Service, codec: str, wanted: dict[str, int], given: tuple[int, int]
) -> None:
    with talk(service, codec=codec, size=wanted) as socket:
        assert (socket.ready["width"], socket.ready["height"]) == given
        viewing = Viewer(socket)
        socket.push(babble(0.6))
        socket.say(type="end")
        viewing.until("ended")
    assert viewing.shown > 10


def test_a_size_that_no_picture_has(service: Service) -> None:
    with (
        pytest.raises(AssertionError, match="must be from 16 to 16384"),
        talk(service, size={"width": 3}),
    ):
        pass


@pytest.mark.in_time
def test_an_interrupt_takes_back_what_waits_for_the_line(service: Service) -> None:
    sound = babble(4.0)
    with viewer(service) as (viewing, line):
        line.bytes_per_s = 80_000
        viewing.socket.push(sound)
        viewing.see()
        viewing.socket.say(type="interrupt")
        viewing.socket.push(babble(0.5))
        viewing.socket.say(type="end")
        assert viewing.until("interrupted")["next_sample"] == len(sound)
        line.bytes_per_s = None
        first = viewing.see()
        assert isinstance(first, Picture)
        assert (first.is_key, first.start) == (True, len(sound))
        assert viewing.until("ended")["next_sample"] == len(sound) + 8_000


def test_all_of_a_conversation_is_one_stream(service: Service) -> None:
    with talk(service, rest=True) as socket:
        viewing = Viewer(socket)
        data = []
        for said in ("rest", "end", "key_frame", "interrupt"):
            if said in {"end", "interrupt"}:
                socket.push(babble(0.5))
            if said != "rest":
                socket.say(type=said)
            for _ in range(20):
                if isinstance(message := viewing.see(), Picture):
                    data.append(message.data)
    with av.open(io.BytesIO(b"".join(data)), "r", format="h264") as stream:
        stream.streams.video[0].codec_context.options = {"err_detect": "explode"}
        shown = list(stream.decode(video=0))
    assert len(shown) == len(data) > 70
    assert not any(frame.is_corrupt for frame in shown)


def test_nothing_is_held_back_by_tls(house: OpenHouse, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    tls = load_tls(TlsConfig(certificate=pair.certificate, key=pair.key))
    context = ssl.create_default_context(cafile=authority.file)
    with http_service(house, tls=tls) as service, line_to(service, ssl=context) as socket:
        socket.say(**{**HELLO, "rest": True})
        ready = socket.next()
        assert isinstance(ready, dict)
        socket.ready = ready
        viewing = Viewer(socket)
        for _ in range(50):
            viewing.see()
    assert viewing.shown == 50

"""Ten minutes of clients that come, go, stall and die: `make soak`, not part of `make test`.

Every answer is compared with the one answer that it can be: the network paints what it hears, and
no two requests hear the same. What the server holds is compared where all clients are gone, ten
times in all: while they are there it is mostly what they have under way, by chance a few batches of
60 MB or a dozen.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.memory import resident_mib
from support.probes import painted_window, window_painter
from support.server_process import addresses, drain, serving_process
from support.tiny_avatar import make_avatar
from viseme.client import Client, ClipOptions, LiveOptions, RawSound
from viseme.errors import OverloadedError

SECONDS = float(os.environ.get("VISEME_SOAK_SECONDS", "600"))
ROUNDS = 10
"""After the first, a minute of ten, the server has taken all that it needs."""
REST_S = 15.0
"""A client that stalls is let go of after 5 s; 5 s after the last frame memory is given back."""
GROWTH_MAX_MIB = 32
"""What the allocator may still take after the first round; a leak of one frame in a hundred would
be ten times as much."""
LIMITS = """
[limits]
stall_s = 5
streams = 3
[engine]
backend = "onnxruntime"
"""
DYING = """
import sys
import numpy as np
from viseme.client import Client
with Client(sys.argv[1]) as client:
    visual = np.zeros((25, 6, 320, 320), np.float32)
    while True:
        client.infer_batch(visual, np.zeros((32, 16, 16), np.float32))
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 300)]


class Crowd:
    """Clients on threads, each of which does its one thing again and again."""

    def __init__(self, grpc: str, http: str) -> None:
        self.grpc, self.http = grpc, http
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, visit: Callable[[Crowd, random.Random], None], seed: int) -> None:
        rng = random.Random(seed)

        def run() -> None:
            while not self._end.is_set():
                try:
                    visit(self, rng)
                    self.done[visit.__name__] += 1
                except OverloadedError as error:
                    self.done[f"{visit.__name__}, refused"] += 1
                    self._end.wait(min(error.retry_after_s, 2.0))
                except Exception as error:  # noqa: BLE001 - told at the end, with all others
                    self.faults.append(f"{visit.__name__}: {type(error).__name__}: {error}")
                    self._end.wait(0.5)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def end(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a client hangs"


def asks(crowd: Crowd, rng: random.Random) -> None:
    """A few batches, each with numbers of its own, on a connection that is closed then."""
    with Client(crowd.grpc) as client:
        for _ in range(rng.randint(1, 20)):
            count = rng.choice((1, 1, 1, 5, 10, 25))
            heard = np.random.default_rng(rng.getrandbits(64)).random(
                (count, 32, 16, 16), np.float32
            )
            answer = client.infer_batch(np.zeros((count, 6, 320, 320), np.float32), heard)
            for picture, window in zip(answer.output, heard, strict=True):
                if not np.array_equal(painted_window(picture), window):
                    raise AssertionError("an answer is not that of its request")
            crowd.done["frames compared"] += count


def renders(crowd: Crowd, rng: random.Random) -> None:
    """A clip of noise, most of them taken to the end, some left in the middle."""
    sound = np.random.default_rng(rng.getrandbits(64)).normal(0, 3000, 16_000 * rng.randint(1, 6))
    options = ClipOptions(raw=RawSound(16_000))
    with Client(crowd.grpc) as client:
        parts = client.render(sound.astype("<i2").tobytes(), options)
        leave_after = rng.choice((None, None, 3))
        for number, _ in enumerate(parts):
            if number == leave_after:
                break
        parts.close()


def speaks_along(crowd: Crowd, rng: random.Random) -> None:
    """A live stream that is ended, broken in upon, or left without a word."""
    with (
        Client(crowd.grpc) as client,
        client.live(LiveOptions(raw=RawSound(16_000))) as live,
    ):
        for _ in range(rng.randint(5, 40)):
            live.push(bytes(3200))
        if rng.random() < 0.6:
            live.finish()
            for _ in live.pictures():
                pass


def stalls(crowd: Crowd, rng: random.Random) -> None:
    """A clip that is asked for and never read."""
    with Client(crowd.grpc) as client:
        parts = client.render(bytes(16_000 * 2 * 60), ClipOptions(raw=RawSound(16_000)))
        next(parts)
        time.sleep(rng.uniform(1, 8))
        parts.close()


def dies(crowd: Crowd, rng: random.Random) -> None:
    """A process with a batch under way, killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, crowd.grpc],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(rng.uniform(1, 4))
    process.send_signal(signal.SIGKILL)
    process.wait()


def says_nothing(crowd: Crowd, rng: random.Random) -> None:
    """Connections without a word, or with half a request."""
    sockets = []
    for address in (crowd.grpc, crowd.http) * 8:
        host, _, port = address.rpartition(":")
        sockets.append(socket.create_connection((host, int(port)), timeout=10))
        if rng.random() < 0.5:
            sockets[-1].sendall(b"POST /batch HTTP/1.1\r\nHost: x\r\nContent-Le")
    time.sleep(rng.uniform(0.5, 3))
    for each in sockets:
        each.close()


def rest_mib(process: int) -> float:
    """Give what the server holds when it has had time to let go of all that it can."""
    time.sleep(REST_S)
    return resident_mib(process)


def test_ten_minutes_of_everything(tmp_path: Path) -> None:
    make_avatar(tmp_path / "avatars" / "tiny", generator=window_painter)
    (tmp_path / "viseme.toml").write_text(LIMITS)
    environment = {**os.environ, "VISEME_AVATARS": str(tmp_path / "avatars")}
    arguments = ("--config", "viseme.toml", "--avatar", "tiny", "--json")
    visits = (asks,) * 4 + (renders,) * 2 + (speaks_along, stalls, dies, says_nothing)
    at_rest: list[float] = []
    done: Counter[str] = Counter()
    faults: list[str] = []
    with serving_process(tmp_path, environment, *arguments) as process:
        drain(process)
        doors = addresses(process)
        for number in range(ROUNDS):
            crowd = Crowd(doors["grpc"], doors["http"])
            for visitor, visit in enumerate(visits):
                crowd.add(visit, seed=number * len(visits) + visitor)
            at_work: list[float] = []
            until_s = time.monotonic() + SECONDS / ROUNDS
            while time.monotonic() < until_s:
                assert process.poll() is None, "the server has ended"
                at_work.append(resident_mib(process.pid))
                time.sleep(1)
            crowd.end()
            at_rest.append(rest_mib(process.pid))
            done += crowd.done
            faults += crowd.faults
            busy = f"{statistics.median(at_work):.0f} MiB, at most {max(at_work):.0f}"
            print(f"\nround {number + 1}: {busy}; at rest {at_rest[-1]:.0f}", end="", flush=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    print()
    for what, count in sorted(done.items()):
        print(f"{what}: {count}")
    assert faults == []
    assert done["frames compared"] > 0
    assert statistics.median(at_rest[-3:]) - at_rest[0] < GROWTH_MAX_MIB

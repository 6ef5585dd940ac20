"""What is free goes back to the system when a server comes to rest, and not before."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from viseme.serving import rest

PROGRAM = """
import gc, time
from pathlib import Path
import numpy as np
from viseme.serving.process import settle_process
from viseme.serving.rest import giving_back_at_rest

def held_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

assert settle_process()
before = held_mib()
blocks, small = [], []
for _ in range(100):  # what lives on lies between what does not
    blocks.append(np.ones(2**18))  # 2 MiB
    small.append(bytes(50_000))
del blocks
gc.collect()
assert held_mib() - before > 150, "there is no need of it any more"
with giving_back_at_rest(lambda: 0.0, look_s=0.01):
    for _ in range(1000):
        if held_mib() - before < 30:
            break
        time.sleep(0.02)
print(held_mib() - before)
"""


def test_holes_are_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 30


def test_it_is_done_once_after_each_stretch_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = [0.0, 0.0, 9.0, 9.0, 0.0, 0.0, 0.0, 5.0, 0.0]
    asked: list[float] = []
    given: list[int] = []
    all_asked = threading.Event()

    def frames_per_s() -> float:
        if len(asked) == len(rates):
            all_asked.set()
            return 0.0
        asked.append(rates[len(asked)])
        return asked[-1]

    monkeypatch.setattr(rest, "give_back", lambda: given.append(len(asked) - 1))
    with rest.giving_back_at_rest(frames_per_s, look_s=0.001):
        assert all_asked.wait(30)
    assert given == [0, 4, 8]
    assert not any(thread.name == "viseme-rest" for thread in threading.enumerate())

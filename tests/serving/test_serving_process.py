"""A process that is settled for a server, each its own: it stays so for as long as it lives."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from pathlib import Path
import numpy as np
from viseme.serving.process import settle_process

def held_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

if {settle}:
    assert settle_process()
np.ones(3 * 2**20)  # from this glibc would learn to hold such blocks
before = held_mib()
blocks = [np.ones(3 * 2**20) for _ in range(8)]  # 24 MiB each
assert held_mib() - before > 150
small = [bytes(1000) for _ in range(1000)]  # what comes later holds no large block back
del blocks
gc.collect()
print(held_mib() - before)
"""


def printed_by(program: str) -> list[float]:
    """Give the numbers that a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


def kept_mib(*, settle: bool) -> float:
    (kept,) = printed_by(PROGRAM.replace("{settle}", str(settle)))
    return kept


def test_large_blocks_go_back_to_the_system() -> None:
    assert kept_mib(settle=False) > 100  # else there is no need of it any more
    assert kept_mib(settle=True) < 30


def test_threads_that_wait_get_their_turn_soon() -> None:
    (turn_s,) = printed_by(
        "import sys; from viseme.serving.process import settle_process; settle_process()\n"
        "print(sys.getswitchinterval())"
    )
    assert turn_s < 0.001


def test_what_is_loaded_is_not_gone_through_again() -> None:
    before, left, kept = printed_by(
        "import gc; from viseme.serving.process import settle_heap\n"
        "before = len(gc.get_objects()); settle_heap()\n"
        "print(before, len(gc.get_objects()), gc.get_freeze_count())"
    )
    assert left < before / 20
    assert kept > before / 2


def test_it_may_open_as_many_files_as_it_is_allowed() -> None:
    limits = printed_by(
        "import resource; from viseme.serving.process import settle_process\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2000)); settle_process()\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert limits == [2000, 2000]

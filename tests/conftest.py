from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.played_network import PlayedNetwork
from viseme.engine import Inferencer

# gRPC would run handlers of its own in each process that a test forks while a server is up, and
# some of them abort it. None of ours uses gRPC between fork and exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# Whoever runs the tests in the background of a script has a shell that lets them ignore interrupts,
# and with them all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Side by side, a test has one core: trainings with threads for all of them take many times as long,
# since those wait for each other in a loop.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Each run draws other examples, and decoders of what strangers send ask for more of them. None has
# a deadline: these tests give way to others.
settings.register_profile("viseme", max_examples=50, deadline=None)
settings.load_profile("viseme")

LAST_STEPS_S = 10.0


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a third of the time of many tests is spent on waiting."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def session_cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the choices of what lives longer than a test apart from the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISEME_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the tests' choices apart from the user's and from each other's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VISEME_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user be one that the system knows no home of, as it is of many a service."""
    for variable in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "VISEME_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(LAST_STEPS_S)  # gRPC says that it has ended a moment before it has
    assert [thread for thread in threading.enumerate() if thread not in before] == []


@pytest.fixture
def no_garbage() -> Iterator[None]:
    """For tests that exhaust the stack: what others left behind is not to be ended down there."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def network() -> PlayedNetwork:
    return PlayedNetwork()


@pytest.fixture
def inferencer(network: PlayedNetwork, tmp_path: Path) -> Iterator[Inferencer]:
    """One worker, so that the order of runs is the order of turns."""
    with network.inferencer(tmp_path) as inferencer:
        yield inferencer

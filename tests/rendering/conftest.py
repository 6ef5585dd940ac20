import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.tiny_avatar import make_avatar
from viseme.avatar import Avatar, load_avatar


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "tiny")


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def tiny(no_thread_is_left: None, tiny_folder: Path) -> Iterator[Avatar]:
    with load_avatar(tiny_folder) as avatar:
        yield avatar


@pytest.fixture(scope="session")
def babble() -> NDArray[np.float32]:
    """One second of noise that swells and fades, at 16 kHz: every window of it is another."""
    rng = np.random.default_rng(11)
    swell = np.sin(np.linspace(0, 9, 16_000)) ** 2
    return (0.2 * swell * rng.standard_normal(16_000)).astype(np.float32)

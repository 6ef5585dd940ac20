"""Faces that clients send over and over: seen no more, and answered with the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from support.halves import run_in_halves, seen_faces
from support.house import OpenHouse, open_house
from support.probes import noisy_generator
from support.tiny_avatar import make_avatar

FACES, CLIENTS, ROUNDS = 6, 5, 8
RNG = np.random.default_rng(0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bytes]:
    """Let every network run in halves; give the faces that the first half is shown."""
    run_in_halves(monkeypatch, tmp_path / "cache")
    return seen_faces(monkeypatch)


@pytest.fixture(params=["model", "avatar"])
def house(request: pytest.FixtureRequest, tmp_path: Path, seen: list[bytes]) -> Iterator[OpenHouse]:
    if request.param == "model":
        opened = open_house(model=noisy_generator(tmp_path / "bare.onnx"))
    else:
        opened = open_house(
            make_avatar(tmp_path / "anna", generator=partial(noisy_generator, size=320))
        )
    with opened as house:
        seen.clear()
        yield house


def test_a_face_that_is_sent_again_is_seen_twice_at_most(
    house: OpenHouse, seen: list[bytes]
) -> None:
    inferencer = house.cast.tensors.scheduler.inferencer
    visual = RNG.random((FACES, *inferencer.visual_shape), np.float32)
    window = RNG.random(inferencer.audio_shape, np.float32)
    wanted = inferencer.run(visual, np.broadcast_to(window, (FACES, *window.shape)))
    seen.clear()

    def ask(start: int) -> None:
        numbers = np.arange(start, start + FACES) % FACES
        request = house.tensors.checked(visual[numbers].reshape(-1), window.reshape(-1), FACES, 0)
        answer = house.tensors.submit(request, None).result(60)
        np.testing.assert_array_equal(answer, wanted[numbers])

    for start in range(2):
        ask(start)
    assert sorted(seen) == sorted(face.tobytes() for face in [*visual, *visual])
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(ask, range(CLIENTS * ROUNDS)))
    assert len(seen) == 2 * FACES

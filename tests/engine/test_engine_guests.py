"""Faces without names: what comes again is kept within bounds, and is what it was."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from blake3 import blake3

from viseme.engine import FeatureOptions, Tensor
from viseme.engine.features import Features
from viseme.engine.guests import Guests, guests_on_disk

SHAPES = [(1, 2, 3, 4), (1, 5)]
ITEM_BYTES = 2 * (24 + 5)
PLACES = 4


def face(number: int) -> Tensor:
    return np.full((1, 6, 32, 32), number, np.float32)


def features_of(number: int) -> Features:
    return tuple(np.full(shape, number, np.float16) for shape in SHAPES)


class Eye:
    """Makes features of faces, and notes which it was shown."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self._lock = threading.Lock()

    def __call__(self, visual: Tensor) -> Features:
        number = int(visual[0, 0, 0, 0])
        with self._lock:
            self.shown.append(number)
        return features_of(number)


class Met(NamedTuple):
    """Guests, and who makes their features."""

    guests: Guests[Features]
    eye: Eye

    def show(self, *numbers: int) -> list[int]:
        """Show faces one after the other; give those that had to be seen."""
        before = len(self.eye.shown)
        for number in numbers:
            made = self.guests.features_of(face(number), self.eye)
            for got, wanted in zip(made, features_of(number), strict=True):
                np.testing.assert_array_equal(got, wanted)
        return self.eye.shown[before:]


def guests_in(folder: Path, places: int = PLACES, **options: Any) -> Guests[Features]:
    return guests_on_disk(
        FeatureOptions(
            **{"guests": True, "budget_bytes": places * ITEM_BYTES, "folder": folder, **options}
        ),
        SHAPES,
    )


@pytest.fixture
def met(tmp_path: Path) -> Met:
    guests = guests_in(tmp_path)
    assert guests.count
    return Met(guests, Eye())


def test_a_face_that_comes_again_is_kept_from_then_on(met: Met) -> None:
    assert met.show(1, 2) == [1, 2]
    assert met.show(1, 2) == [1, 2]
    assert met.show(1, 2, 2, 1) == []


def test_faces_that_differ_in_one_number_are_two(met: Met) -> None:
    met.show(1, 1, 1)
    other = face(1)
    other[0, 5, 31, 31] = np.nextafter(np.float32(1), np.float32(2))
    before = len(met.eye.shown)
    met.guests.features_of(other, met.eye)
    assert len(met.eye.shown) == before + 1


def test_more_faces_than_places_do_not_push_each_other_out(met: Met) -> None:
    there_and_back = [*range(10), *reversed(range(10))]
    met.show(*there_and_back)
    for _ in range(3):
        assert len(met.show(*there_and_back)) == 2 * (10 - PLACES)


def test_faces_that_stay_away_make_room(met: Met) -> None:
    met.show(*range(PLACES), *range(PLACES))
    assert met.show(*range(PLACES)) == []
    met.show(*range(100, 100 + 4 * PLACES))
    assert met.show(7, 7, 7, 8, 8, 8) == [7, 7, 8, 8]


def test_nothing_is_found_in_the_folder_and_little_is_held(met: Met, tmp_path: Path) -> None:
    met.show(*range(PLACES), *range(PLACES))
    assert list(tmp_path.iterdir()) == []
    met.show(*range(1_000))
    assert len(met.guests._met) == 4 * PLACES


def test_faces_that_never_come_again_are_hardly_looked_at(
    met: Met, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def counted(content: Any) -> Any:
        looks.append(1)
        return blake3(content)

    monkeypatch.setattr("viseme.engine.guests.blake3", counted)
    met.show(*range(1_000))
    before = len(looks)
    met.show(*range(1_000, 3_000))
    assert 100 < len(looks) - before < 500
    again = range(5_000, 5_000 + PLACES)  # are found all the same, if not at once
    for _ in range(100):
        met.show(*again)
    assert met.show(*again) == []


def test_many_at_once_get_what_each_gets_alone(tmp_path: Path) -> None:
    """Faces come and go so fast that places change hands all the time."""
    guests = guests_in(tmp_path, places=2)
    assert guests.count
    eye = Eye()
    rng = np.random.default_rng(0)
    numbers = [int(n) for base in range(300) for n in rng.integers(base, base + 4, 20)]

    def ask(number: int) -> list[Any]:
        return [part.tolist() for part in guests.features_of(face(number), eye)]

    with ThreadPoolExecutor(8) as threads:
        for number, made in zip(numbers, threads.map(ask, numbers), strict=True):
            assert made == [part.tolist() for part in features_of(number)]
    assert len(eye.shown) < len(numbers)


def test_what_cannot_be_written_is_made_again(met: Met, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for fault in (full, lambda *_: ITEM_BYTES - 1):
        with monkeypatch.context() as broken:
            broken.setattr("viseme.engine.guests.os.pwritev", fault)
            assert met.show(*range(PLACES), *range(PLACES), *range(PLACES))[-PLACES:] == [
                0,
                1,
                2,
                3,
            ]
    met.show(*range(PLACES))
    assert met.show(*range(PLACES)) == []


def test_what_cannot_be_read_is_made_again(met: Met, monkeypatch: pytest.MonkeyPatch) -> None:
    met.show(1, 1)
    with monkeypatch.context() as broken:
        broken.setattr("viseme.engine.guests.os.preadv", lambda *_: ITEM_BYTES - 1)
        assert met.show(1) == [1]
    assert met.show(1) == []


def test_a_place_that_changes_hands_while_it_is_read_is_not_believed(
    met: Met, monkeypatch: pytest.MonkeyPatch
) -> None:
    met.show(1, 1)
    read = os.preadv

    def slowly(*arguments: Any) -> int:
        monkeypatch.setattr("viseme.engine.guests.os.preadv", read)
        met.show(
            *range(100, 100 + 4 * PLACES), *range(200, 200 + PLACES), *range(200, 200 + PLACES)
        )
        return read(*arguments)

    monkeypatch.setattr("viseme.engine.guests.os.preadv", slowly)
    assert met.show(1)[-1] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"guests": False},
        {"budget_bytes": 0},
        {"budget_bytes": ITEM_BYTES - 1},
        {"faces": PLACES},
        {"faces": 1, "budget_bytes": 2 * ITEM_BYTES + 7},
    ],
)
def test_without_room_nothing_is_kept(tmp_path: Path, options: dict[str, Any]) -> None:
    guests = guests_in(tmp_path, **options)
    assert not guests.count
    assert Met(guests, Eye()).show(1, 1, 1) == [1, 1, 1]


def test_a_place_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    guests = guests_in(tmp_path / "file")
    assert not guests.count
    assert Met(guests, Eye()).show(1, 1, 1) == [1, 1, 1]


def test_no_more_is_taken_than_half_of_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(
        "viseme.engine.guests.shutil.disk_usage", lambda _: Usage(2 * 3 * ITEM_BYTES + 2)
    )
    guests = guests_in(tmp_path)
    assert guests.count == 3
    met = Met(guests, Eye())
    met.show(*range(PLACES), *range(PLACES))
    assert len(met.show(*range(PLACES))) == PLACES - 3
    assert guests_in(tmp_path, faces=2, budget_bytes=10**9).count == 0


def test_after_closing_faces_are_seen(met: Met) -> None:
    met.show(1, 1)
    met.guests.close()
    met.guests.close()
    assert met.show(1, 1, 1) == [1, 1, 1]

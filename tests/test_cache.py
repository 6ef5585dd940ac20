"""What is kept comes back as it was, or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.cache import Shelf


def shelf_in(folder: Path, item_bytes: int) -> Shelf:
    shelf = Shelf("things", "me", count=1, item_bytes=item_bytes, budget_bytes=2**20, folder=folder)
    assert shelf.open()
    return shelf


def disk(*, free: int) -> SimpleNamespace:
    return SimpleNamespace(free=free)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_any_change_to_a_file_is_noticed(content: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shelf_in(folder, len(content)).put("it", [np.frombuffer(content, np.uint8)])
        found = shelf_in(folder, len(content)).get("it")
        assert found is not None
        assert found.tobytes() == content
        (path,) = (file for file in folder.rglob("*") if file.is_file())
        kept = bytearray(path.read_bytes())
        kept[data.draw(st.integers(0, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(kept)
        assert shelf_in(folder, len(content)).get("it") is None


def test_what_is_lost_at_the_end_or_zero_is_noticed(tmp_path: Path) -> None:
    content = np.arange(100, dtype=np.uint8)
    shelf_in(tmp_path, 100).put("it", [content[:30], content[30:]])
    (path,) = (file for file in tmp_path.rglob("*") if file.is_file())
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole + b"0", whole[:50] + bytes(50) + whole[100:], b""):
        path.write_bytes(damaged)
        assert shelf_in(tmp_path, 100).get("it") is None
    path.write_bytes(whole)
    np.testing.assert_array_equal(shelf_in(tmp_path, 100).get("it"), content)


def test_what_is_given_is_the_callers_own(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path, 4)
    shelf.put("it", [np.arange(4, dtype=np.uint8)])
    first = shelf.get("it")
    assert first is not None
    first[:] = 9
    np.testing.assert_array_equal(shelf.get("it"), np.arange(4))


def test_no_disk_is_filled_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = Shelf("things", "me", count=10, item_bytes=92, budget_bytes=2**20, folder=tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk(free=1999))
    assert not free.open()
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk(free=2000))
    assert free.open()
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk(free=0))
    assert free.open()  # what it takes is taken


@pytest.mark.parametrize("gone", ["the file", "the folder"])
def test_what_others_have_cleared_away_is_not_missed(tmp_path: Path, gone: str) -> None:
    shelf = shelf_in(tmp_path, 4)
    shelf.put("it", [np.arange(4, dtype=np.uint8)])
    (path,) = (file for file in tmp_path.rglob("*") if file.is_file())
    path.unlink()
    if gone == "the folder":
        path.parent.rmdir()
    assert shelf.get("it") is None
    shelf.put("it", [np.arange(4, dtype=np.uint8)])
    assert (shelf.get("it") is None) == (gone == "the folder")

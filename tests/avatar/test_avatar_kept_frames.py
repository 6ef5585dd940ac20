"""A video is decoded once, and what is kept of it is what it gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from avatar_samples import FRAME_COUNT, make_bundle, number_of, numbered

from viseme.avatar import load_avatar
from viseme.avatar.frame_source import FrameSource
from viseme.avatar.frame_store import FrameStore
from viseme.avatar.kept_frames import KeptFrames
from viseme.avatar.planes import Pixels, Planes, whole
from viseme.cache import cache_folder
from viseme.errors import AvatarError

COUNT = 30
BUDGET = 2**22


class NumberedFrames(FrameSource):
    """Frames that show their numbers; which were decoded is told."""

    def __init__(self, *, planar: bool = False) -> None:
        self.name, self.size, self.count = "numbered", (96, 64), COUNT
        self.planar, self.entries = planar, (0, 15)
        self.decoded: list[int] = []
        self.broken: set[int] = set()
        self.closed = False

    def decode(self, start: int, stop: int) -> Iterator[Pixels]:
        for index in range(start, stop):
            if index in self.broken:
                raise AvatarError(f"numbered is damaged at frame {index}.")
            self.decoded.append(index)
            yield Planes.of(numbered(index)) if self.planar else numbered(index)

    def close(self) -> None:
        self.closed = True


def kept(source: FrameSource, content: str = "it", budget_bytes: int = BUDGET) -> KeptFrames:
    return KeptFrames(source, content, budget_bytes=budget_bytes)


def files() -> list[Path]:
    return sorted(path for path in (cache_folder() / "frames").rglob("*") if path.is_file())


@pytest.mark.parametrize("planar", [False, True])
def test_they_come_back_bit_for_bit(planar: bool) -> None:
    source = NumberedFrames(planar=planar)
    first = list(kept(source).decode(0, COUNT))
    assert source.decoded == list(range(COUNT))
    again = list(kept(source).decode(0, COUNT))
    assert source.decoded == list(range(COUNT))
    for one, other in zip(first, again, strict=True):
        assert isinstance(other, Planes) == planar
        np.testing.assert_array_equal(whole(one), whole(other))


def test_what_is_missing_is_decoded_from_there_on() -> None:
    source = NumberedFrames()
    frames = kept(source)
    assert [number_of(frame) for frame in frames.decode(3, 6)] == [3, 4, 5]
    assert [number_of(frame) for frame in frames.decode(3, 9)] == list(range(3, 9))
    assert source.decoded == [3, 4, 5, 6, 7, 8]


def test_a_damaged_file_is_decoded_again_and_mended() -> None:
    source = NumberedFrames()
    list(kept(source).decode(0, 2))
    for path in files():
        path.write_bytes(path.read_bytes()[:-100])
    assert [number_of(frame) for frame in kept(source).decode(0, 2)] == [0, 1]
    assert [number_of(frame) for frame in kept(source).decode(0, 2)] == [0, 1]
    assert source.decoded == [0, 1, 0, 1]


def test_without_room_for_all_of_them_none_is_kept() -> None:
    source = NumberedFrames()
    for _ in range(2):
        frames = kept(source, budget_bytes=COUNT * source.frame_bytes)
        assert [number_of(frame) for frame in frames.decode(0, 2)] == [0, 1]
    assert source.decoded == [0, 1, 0, 1]
    assert not files()


@pytest.mark.usefixtures("no_home")
def test_without_a_home_they_are_decoded() -> None:
    assert [number_of(frame) for frame in kept(NumberedFrames()).decode(0, 2)] == [0, 1]


def test_other_content_has_other_frames() -> None:
    source = NumberedFrames()
    list(kept(source, "one").decode(0, 2))
    list(kept(source, "other").decode(0, 2))
    assert source.decoded == [0, 1, 0, 1]


def test_what_cannot_be_decoded_is_an_error_as_ever() -> None:
    source = NumberedFrames()
    source.broken = {2}
    frames = kept(source)
    with pytest.raises(AvatarError, match="damaged at frame 2"):
        list(frames.decode(0, 4))
    assert [number_of(frame) for frame in frames.decode(0, 2)] == [0, 1]
    frames.close()
    assert source.closed


def test_a_store_reads_them_in_any_order() -> None:
    source = NumberedFrames()
    for _ in range(2):
        store = FrameStore(kept(source), budget_bytes=1)
        assert [number_of(store.frame(index)) for index in (20, 3, 29, 0)] == [20, 3, 29, 0]
        store.close()
    assert len(set(source.decoded)) == len(source.decoded)


def test_looking_at_an_avatar_keeps_nothing_and_showing_it_does(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    with load_avatar(folder):
        assert not (cache_folder() / "frames").exists()
    with load_avatar(folder, disk_budget_bytes=0) as avatar:
        exact = avatar.frame(FRAME_COUNT - 1)
        assert not files()
    for _ in range(2):
        with load_avatar(folder) as avatar:
            np.testing.assert_array_equal(avatar.frame(FRAME_COUNT - 1), exact)
            assert files()

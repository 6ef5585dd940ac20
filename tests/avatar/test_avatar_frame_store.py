"""Memory stays within its budget, work is not done twice, and many may read at once."""

from __future__ import annotations

import gc
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from avatar_samples import number_of, numbered
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.avatar.frame_source import FrameSource
from viseme.avatar.frame_store import FrameStore, chunk_starts
from viseme.avatar.planes import whole
from viseme.avatar.readers import Readers, ping_pong, ping_pong_index
from viseme.avatar.video_source import VideoFrames
from viseme.avatar.video_target import write_frames
from viseme.errors import AvatarError


class DrawnFrames(FrameSource):
    """Frames made up as they are asked for; the work is counted."""

    def __init__(self, count: int, size: tuple[int, int] = (96, 64), every: int = 12) -> None:
        self.name = "drawn"
        self.size = size
        self.count = count
        self.entries = tuple(range(0, count, every))
        self.decoded: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.broken: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.closed = 0

    def decode(self, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        self.threads.add(threading.current_thread())
        for index in range(start, stop):
            self.gate.wait()
            if index in self.broken:
                raise AvatarError(f"drawn cannot be decoded at frame {index}")
            self.decoded.append(index)
            yield self.draw(index)

    def draw(self, index: int) -> NDArray[np.uint8]:
        if self.size == (96, 64):
            return numbered(index)
        return np.full((self.size[1], self.size[0], 3), index % 251, np.uint8)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def open_store() -> Iterator[Callable[..., FrameStore]]:
    stores: list[FrameStore] = []

    def make(source: FrameSource, budget_bytes: int = 2**20) -> FrameStore:
        stores.append(FrameStore(source, budget_bytes=budget_bytes))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


OpenStore = Callable[..., FrameStore]
FRAME_BYTES = 96 * 64 * 3


def test_500_frames_of_1280x720_stay_within_the_budget(open_store: OpenStore) -> None:
    source = DrawnFrames(500, (1280, 720))
    store = open_store(source, 48 * 2**20)
    tracemalloc.start()
    try:
        for index in islice(ping_pong(500), 1200):
            assert whole(store.frame(index))[0, 0, 0] == index % 251
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < store.peak_bytes <= 48 * 2**20
    # Beside what the store counts there is the reader's frame, and the chunk it last waited for.
    assert peak < 66 * 2**20


@pytest.mark.parametrize("budget_frames", [48, 60, 100])
def test_a_walk_decodes_each_frame_about_once_per_pass(
    open_store: OpenStore, budget_frames: int
) -> None:
    count, passes = 240, 6
    source = DrawnFrames(count)
    store = open_store(source, budget_frames * FRAME_BYTES)
    for index in islice(ping_pong(count), passes * (count - 1)):
        assert number_of(store.frame(index)) == index
    assert len(source.decoded) <= passes * count
    assert store.decoded_frames == len(source.decoded)


def test_all_frames_are_decoded_once_where_they_fit(open_store: OpenStore) -> None:
    source = DrawnFrames(40)
    store = open_store(source, 40 * FRAME_BYTES)
    for index in islice(ping_pong(40), 400):
        store.frame(index)
    assert sorted(source.decoded) == list(range(40))


def test_the_next_chunk_is_decoded_before_it_is_asked_for(open_store: OpenStore) -> None:
    source = DrawnFrames(48)
    store = open_store(source)
    store.frame(30)
    wait_until(lambda: 47 in source.decoded)
    assert 0 not in source.decoded
    store.frame(29)  # now backwards
    wait_until(lambda: 23 in source.decoded)
    assert 11 not in source.decoded


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_frames_cannot_be_written_to(open_store: OpenStore) -> None:
    frame = whole(open_store(DrawnFrames(12)).frame(3))
    with pytest.raises(ValueError, match="read-only"):
        frame[0] = 0


def test_a_frame_outlives_its_place_in_the_store(open_store: OpenStore) -> None:
    store = open_store(DrawnFrames(240), 8 * FRAME_BYTES)
    kept = store.frame(0)
    for index in range(240):
        store.frame(index)
    assert number_of(kept) == 0


@pytest.mark.parametrize("budget_frames", [0, 5, 30, 240])
def test_many_threads_at_different_places_get_their_frames(
    open_store: OpenStore, budget_frames: int
) -> None:
    source = DrawnFrames(240)
    store = open_store(source, budget_frames * FRAME_BYTES)

    def walk(start: int) -> bool:
        return all(
            number_of(store.frame(index)) == index for index in islice(ping_pong(240, start), 150)
        )

    def jump(seed: int) -> bool:
        places = random.Random(seed)
        indices = [places.randrange(240) for _ in range(60)]
        return all(number_of(store.frame(index)) == index for index in indices)

    with ThreadPoolExecutor(10) as pool:
        walks = [pool.submit(walk, 37 * number) for number in range(8)]
        jumps = [pool.submit(jump, seed) for seed in range(2)]
        assert all(future.result() for future in walks + jumps)
    assert len(source.threads) == 1
    assert store.peak_bytes <= max(budget_frames, 4) * FRAME_BYTES


def test_readers_who_share_a_place_share_the_work(open_store: OpenStore) -> None:
    source = DrawnFrames(240)
    store = open_store(source, 60 * FRAME_BYTES)
    barrier = threading.Barrier(6)

    def walk() -> None:
        for index in range(240):
            if index % 12 == 0:
                barrier.wait()
            store.frame(index)

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(walk) for _ in range(6)]:
            future.result()
    assert len(source.decoded) <= 252


def test_decoding_ahead_takes_nothing_from_other_readers(open_store: OpenStore) -> None:
    """Four chunks fit, four readers are each in the middle of one: none is dropped."""
    source = DrawnFrames(240)
    store = open_store(source, 48 * FRAME_BYTES)
    steps = [threading.Barrier(4) for _ in range(12)]

    def read(start: int) -> None:
        for offset in range(12):
            steps[offset].wait()
            store.frame(start + offset)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(read, start) for start in (0, 60, 120, 180)]:
            future.result()
    for start in (0, 60, 120, 180):
        assert source.decoded.count(start) == 1


def test_damage_reaches_every_reader_and_other_frames_stay(open_store: OpenStore) -> None:
    source = DrawnFrames(36)
    source.broken = {14}
    store = open_store(source)
    assert number_of(store.frame(0)) == 0
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(store.frame, 15) for _ in range(4)]:
            with pytest.raises(AvatarError, match="drawn cannot be decoded at frame 14"):
                future.result()
    assert number_of(store.frame(30)) == 30
    source.broken = set()
    assert number_of(store.frame(15)) == 15


def test_frame_of_another_size_is_named(open_store: OpenStore) -> None:
    class Changing(DrawnFrames):
        def draw(self, index: int) -> NDArray[np.uint8]:
            return numbered(index)[:50] if index == 3 else numbered(index)

    with pytest.raises(AvatarError, match="drawn: frame 3 is 96x50, the first is 96x64"):
        open_store(Changing(12)).frame(0)


@pytest.mark.parametrize("index", [-1, 12])
def test_frames_that_are_not_there(open_store: OpenStore, index: int) -> None:
    with pytest.raises(IndexError):
        open_store(DrawnFrames(12)).frame(index)


def test_closing_ends_the_thread_and_the_source() -> None:
    source = DrawnFrames(60)
    store = FrameStore(source, budget_bytes=2**20)
    store.frame(0)
    (thread,) = source.threads
    assert thread.is_alive()
    store.close()
    store.close()
    assert not thread.is_alive()
    assert source.closed == 1
    assert store.held_bytes == 0
    with pytest.raises(AvatarError, match="has been closed"):
        store.frame(0)


def test_closing_frees_those_who_wait() -> None:
    source = DrawnFrames(60)
    store = FrameStore(source, budget_bytes=2**20)
    source.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(store.frame, index) for index in (0, 30)]
        wait_until(lambda: len(source.threads) == 1)
        closing = pool.submit(store.close)
        source.gate.set()
        closing.result()
        for future in waiting:
            assert future.exception() is None or isinstance(future.exception(), AvatarError)


def test_a_forgotten_store_ends_its_thread() -> None:
    source = DrawnFrames(60)
    store = FrameStore(source, budget_bytes=2**20)
    store.frame(0)
    (thread,) = source.threads
    del store
    gc.collect()
    assert not thread.is_alive()
    assert source.closed == 1


def test_nothing_runs_before_the_first_frame_is_asked_for() -> None:
    before = set(threading.enumerate())
    store = FrameStore(DrawnFrames(60), budget_bytes=2**20)
    assert set(threading.enumerate()) <= before
    store.close()


def test_a_real_video_through_the_store(tmp_path: Path, open_store: OpenStore) -> None:
    path = tmp_path / "frames.mp4"
    write_frames(path, map(numbered, range(90)), (96, 64), 14)
    store = open_store(VideoFrames(path), 30 * FRAME_BYTES)
    with ThreadPoolExecutor(4) as pool:

        def walk(start: int) -> list[int]:
            return [number_of(store.frame(index)) for index in islice(ping_pong(90, start), 200)]

        for start, result in zip((0, 25, 89, 140), pool.map(walk, (0, 25, 89, 140)), strict=True):
            assert result == list(islice(ping_pong(90, start), 200))


@given(st.data())
def test_chunks_cover_all_frames_and_none_is_too_long(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 400))
    entries = tuple(sorted(data.draw(st.sets(st.integers(0, count - 1))) | {0}))
    longest = data.draw(st.integers(1, 60))
    starts = chunk_starts(entries, count, longest)
    assert starts[0] == 0
    assert all(0 < b - a <= longest for a, b in pairwise((*starts, count)))


def test_chunks_are_the_groups_of_our_videos() -> None:
    assert chunk_starts((0, 12, 24), 30, 24) == (0, 12, 24)
    assert chunk_starts((0, 12, 24), 36, 5) == (0, 4, 8, 12, 16, 20, 24, 28, 32)
    assert chunk_starts(tuple(range(30)), 30, 24) == (0, 12, 24)


@given(st.integers(1, 50), st.integers(0, 300))
def test_ping_pong_has_no_jump_and_shows_its_ends_once(count: int, start: int) -> None:
    order = list(islice(ping_pong(count, start), 4 * count))
    assert order == [ping_pong_index(start + i, count) for i in range(4 * count)]
    assert set(order) == set(range(count))
    if count > 1:
        assert all(abs(a - b) == 1 for a, b in pairwise(order))
        assert order[0] == start if start < count else 0 <= order[0] < count


def test_ping_pong_begins_at_0_or_later() -> None:
    assert list(islice(ping_pong(4), 8)) == [0, 1, 2, 3, 2, 1, 0, 1]
    with pytest.raises(AvatarError, match="it must be 0 or more"):
        ping_pong(4, -1)


def test_readers_are_told_what_comes_next() -> None:
    readers = Readers(30)
    assert readers.step(5, range(12)) == 12
    assert readers.step(4, range(12)) == 12 or readers.step(3, range(12)) is not None
    assert readers.step(20, range(12, 24)) == 24
    assert readers.step(19, range(12, 24)) == 11
    assert Readers(10).step(3, range(10)) is None

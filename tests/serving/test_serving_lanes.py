"""Whose frame is next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.serving.job import Job, Lane
from viseme.serving.lanes import PATIENCE, Lanes

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def job(frames: int, lane: Lane = Lane.PROMPT, stream: object | None = None) -> Job:
    inputs = np.zeros((frames, 1), np.float32)
    return Job(inputs, inputs, (1,), lane=lane, deadline_s=None, stream=stream)


def drained(lanes: Lanes) -> list[tuple[Job, int]]:
    return [lanes.pop() for _ in range(lanes.waiting)]


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(Lane)), max_size=12))
def test_jobs_of_a_lane_take_turns_frame_by_frame(sizes: list[tuple[int, Lane]]) -> None:
    lanes, jobs = Lanes(), [job(frames, lane) for frames, lane in sizes]
    for one in jobs:
        lanes.push(one)
    order = drained(lanes)
    for lane in Lane:
        got = [(row, jobs.index(one)) for one, row in order if one.lane is lane]
        # In each round one frame of every job that still has any, in the order they came.
        assert got == sorted(
            (row, index)
            for index, one in enumerate(jobs)
            for row in range(len(one))
            if one.lane is lane
        )


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from(Lane)), max_size=8))
def test_the_urgent_go_first_but_nobody_waits_for_ever(sizes: list[tuple[int, Lane]]) -> None:
    lanes = Lanes()
    for frames, lane in sizes:
        lanes.push(job(frames, lane))
    order = [one.lane for one, _ in drained(lanes)]
    passed = dict.fromkeys(Lane, 0)
    for index, chosen in enumerate(order):
        waiting = set(order[index:])
        patient = {lane for lane in waiting if passed[lane] >= PATIENCE}
        assert chosen == (max(patient) if patient else min(waiting))
        for lane in waiting:
            passed[lane] = 0 if lane is chosen else passed[lane] + (lane > chosen)


def test_a_stream_takes_turns_as_one_however_many_jobs_it_has() -> None:
    lanes, stream, alone = Lanes(), object(), job(3)
    first, second = job(1, stream=stream), job(2, stream=stream)
    for one in (first, second, alone):
        lanes.push(one)
    assert drained(lanes) == [
        (first, 0),
        (alone, 0),
        (second, 0),
        (alone, 1),
        (second, 1),
        (alone, 2),
    ]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.data())
def test_what_is_discarded_never_comes(sizes: list[int], data: st.DataObject) -> None:
    stream = object()
    jobs = [job(frames, stream=stream if data.draw(st.booleans()) else None) for frames in sizes]
    lanes = Lanes()
    for one in jobs:
        lanes.push(one)
    taken = [lanes.pop() for _ in range(data.draw(st.integers(0, lanes.waiting)))]
    gone = data.draw(st.sampled_from(jobs))
    lanes.discard(gone)
    lanes.discard(gone)  # doing it twice does nothing
    assert set(lanes.jobs()) == {one for one in jobs if one.begun < len(one)} - {gone}
    rest = drained(lanes)
    assert gone not in {one for one, _ in rest}
    assert lanes.waiting == 0
    assert lanes.jobs() == []
    expected = {(one, row) for one in jobs if one is not gone for row in range(len(one))}
    assert {*taken, *rest} - {(gone, row) for row in range(len(gone))} == expected
    assert len(taken) + len(rest) == len({*taken, *rest})


def test_nothing_comes_from_empty_lanes() -> None:
    with pytest.raises(IndexError, match="no frame waits"):
        Lanes().pop()

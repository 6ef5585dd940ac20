"""Many jobs over one generator: answers, turns, cancelling, errors, the end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from support.played_network import GONE, PATIENCE_S, PlayedNetwork, faces, numbers_of, windows
from support.probes import noisy_generator
from viseme.engine import Inferencer, Tensor
from viseme.errors import BackendError, DeadlineError, InputError, UnavailableError
from viseme.serving import Lane, RunReport, Scheduler

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

THREADS = 12
STOPPING = "The server is stopping; send the request to another, or later."


@pytest.fixture(params=[None, 4], ids=["one by one", "four at once"])
def noisy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Inferencer]:
    path = noisy_generator(tmp_path / "noisy.onnx", batch=request.param)
    with Inferencer(path, backend="onnxruntime", threads=1, workers=3) as inferencer:
        yield inferencer


def test_everybody_gets_exactly_the_answers_of_his_own_inputs(noisy: Inferencer) -> None:
    sizes = [1 + (7 * thread) % 5 for thread in range(THREADS)]
    rng = np.random.default_rng(3)
    inputs = [
        (
            rng.random((size, *noisy.visual_shape), dtype=np.float32),
            rng.standard_normal((size, *noisy.audio_shape), dtype=np.float32),
        )
        for size in sizes
    ]
    alone = [
        np.stack([noisy.infer(*pair) for pair in zip(*arrays, strict=True)]) for arrays in inputs
    ]
    together = threading.Barrier(THREADS, timeout=PATIENCE_S)

    def ask(thread: int) -> list[Tensor]:
        together.wait()
        lane = Lane(thread % 3)
        jobs = [scheduler.submit(*inputs[thread], lane=lane) for _ in range(2)]
        return [job.result(PATIENCE_S) for job in jobs]

    with (
        Scheduler(noisy, rows=noisy.info.batch or 1) as scheduler,
        ThreadPoolExecutor(THREADS) as executor,
    ):
        for answers, expected in zip(executor.map(ask, range(THREADS)), alone, strict=True):
            for answer in answers:
                np.testing.assert_array_equal(answer, expected)
    # The answers must differ for a mix-up among them to show.
    every = [picture.tobytes() for batch in alone for picture in batch]
    assert len(set(every)) == sum(sizes)


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_each_frame_hears_its_own_window_or_all_the_same(inferencer: Inferencer, rows: int) -> None:
    with Scheduler(inferencer, rows=rows) as scheduler:
        own = scheduler.submit(faces(1, 2, 3), windows(10, 20, 30))
        shared = scheduler.submit(faces(4, 5), windows(50)[0])
        assert numbers_of(own.result(PATIENCE_S)) == [11, 22, 33]
        assert numbers_of(shared.result(PATIENCE_S)) == [54, 55]


def test_no_frames_have_no_pictures(inferencer: Inferencer, network: PlayedNetwork) -> None:
    with Scheduler(inferencer) as scheduler:
        answer = scheduler.submit(faces(1)[:0], windows(1)[0]).result(PATIENCE_S)
    assert answer.shape == (0, 3, 160, 160)
    assert network.runs == []


def test_bad_arrays_are_refused_before_anything_runs(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    broken = faces(1, 2)
    broken[1, 0, 0, 0] = np.nan
    with Scheduler(inferencer) as scheduler:
        with pytest.raises(InputError, match="The visual batch has values that are NaN"):
            scheduler.submit(broken, windows(1)[0])
        with pytest.raises(InputError, match=r"The audio window has shape \[3, 16, 32, 32\]"):
            scheduler.submit(faces(1, 2), windows(1, 2, 3))
    assert network.runs == []


def test_a_big_job_keeps_no_small_one_waiting(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    scheduler = Scheduler(inferencer)
    jobs = [
        scheduler.submit(faces(*range(25)), windows(0)[0]),
        scheduler.submit(faces(100), windows(0)[0]),
        scheduler.submit(faces(200, 201), windows(0)[0]),
    ]
    assert scheduler.waiting == 28
    with scheduler:
        concurrent.futures.wait(jobs, PATIENCE_S)
        assert scheduler.waiting == 0
    assert network.seen == [0, 100, 200, 1, 201, *range(2, 25)]


def test_live_goes_before_prompt_before_bulk(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    scheduler = Scheduler(inferencer)
    jobs = [
        scheduler.submit(faces(number, number + 1), windows(0)[0], lane=lane)
        for number, lane in ((30, Lane.BULK), (20, Lane.PROMPT), (10, Lane.LIVE))
    ]
    with scheduler:
        concurrent.futures.wait(jobs, PATIENCE_S)
    assert network.seen == [10, 11, 20, 21, 30, 31]


def test_frames_of_several_jobs_run_together(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    scheduler = Scheduler(inferencer, rows=4)
    jobs = [
        scheduler.submit(faces(*numbers), windows(0)[0]) for numbers in ((1, 2, 3), (11, 12), (21,))
    ]
    with scheduler:
        answers = [numbers_of(job.result(PATIENCE_S)) for job in jobs]
    assert network.runs == [[1, 11, 21, 2], [12, 3]]
    assert answers == [[1, 2, 3], [11, 12], [21]]


def test_a_frame_waits_for_company_and_then_runs_with_it(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    with Scheduler(inferencer, rows=2, batch_wait_s=PATIENCE_S) as scheduler:
        first = scheduler.submit(faces(1), windows(0)[0])
        second = scheduler.submit(faces(2), windows(0)[0])
        concurrent.futures.wait([first, second], PATIENCE_S)
    assert network.runs == [[1, 2]]


def test_a_frame_that_stays_alone_runs_alone(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    with Scheduler(inferencer, rows=4, batch_wait_s=0.001) as scheduler:
        assert numbers_of(scheduler.submit(faces(7), windows(0)[0]).result(PATIENCE_S)) == [7]
    assert network.runs == [[7]]


def test_a_cancelled_job_costs_no_more_runs(inferencer: Inferencer, network: PlayedNetwork) -> None:
    network.hold()
    with Scheduler(inferencer) as scheduler:
        running = scheduler.submit(faces(1, 2, 3), windows(0)[0])
        network.wait_until_begun()
        waiting = scheduler.submit(faces(11, 12), windows(0)[0], lane=Lane.BULK)
        other = scheduler.submit(faces(21), windows(0)[0])
        assert scheduler.waiting == 5
        assert waiting.cancel()
        assert running.cancel()
        assert scheduler.waiting == 1
        network.let_go()
        assert numbers_of(other.result(PATIENCE_S)) == [21]
        done, _ = concurrent.futures.wait([waiting, running], PATIENCE_S)
        assert done == {waiting, running}
        with pytest.raises(CancelledError):
            waiting.result()
    assert network.seen == [1, 21]


def test_an_answer_that_is_there_cannot_be_cancelled(inferencer: Inferencer) -> None:
    with Scheduler(inferencer) as scheduler:
        future = scheduler.submit(faces(1), windows(1)[0])
        assert numbers_of(future.result(PATIENCE_S)) == [2]
        assert not future.cancel()


def test_a_late_job_costs_no_runs_wherever_it_waits(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    past_s, far_s = time.monotonic() - 1, time.monotonic() + 10 * PATIENCE_S
    scheduler = Scheduler(inferencer)
    in_time = scheduler.submit(faces(1), windows(0)[0], deadline_s=far_s)
    late = [
        scheduler.submit(faces(11, 12), windows(0)[0], lane=lane, deadline_s=past_s)
        for lane in Lane
    ]
    with scheduler:
        for future in late:
            with pytest.raises(DeadlineError) as caught:
                future.result(PATIENCE_S)
            assert str(caught.value) == (
                "The answer was not ready by its deadline; allow more time, or send fewer "
                "frames at once."
            )
        assert numbers_of(in_time.result(PATIENCE_S)) == [1]
    assert network.seen == [1]


@pytest.mark.parametrize("rows", [1, 4])
def test_an_error_hits_its_own_job_alone(
    inferencer: Inferencer, network: PlayedNetwork, rows: int
) -> None:
    network.failures[2] = GONE
    scheduler = Scheduler(inferencer, rows=rows)
    good = scheduler.submit(faces(11, 12, 13), windows(0)[0])
    bad = scheduler.submit(faces(1, 2, 3, 4, 5), windows(0)[0])
    with scheduler:
        with pytest.raises(BackendError, match=r"The device is gone; start again\."):
            bad.result(PATIENCE_S)
        assert numbers_of(good.result(PATIENCE_S)) == [11, 12, 13]
        after = scheduler.submit(faces(21), windows(0)[0])
        assert numbers_of(after.result(PATIENCE_S)) == [21]
    if rows == 1:  # what had not begun when it failed does not begin
        assert network.seen == [11, 1, 12, 2, 13, 21]


def test_a_job_that_has_failed_waits_no_more(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    network.failures[1] = GONE
    waiting: list[int] = []
    scheduler = Scheduler(inferencer, on_run=lambda _: waiting.append(scheduler.waiting))
    scheduler.submit(faces(1, 2, 3), windows(0)[0])
    scheduler.submit(faces(11), windows(0)[0])
    with scheduler:
        scheduler.close(PATIENCE_S)
    assert waiting == [1, 0]


def test_an_error_that_nobody_foresaw_is_told_and_logged(
    inferencer: Inferencer, network: PlayedNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    network.failures[1] = ZeroDivisionError("a bug")
    with caplog.at_level(logging.ERROR), Scheduler(inferencer) as scheduler:
        with pytest.raises(ZeroDivisionError, match="a bug"):
            scheduler.submit(faces(1), windows(0)[0]).result(PATIENCE_S)
        assert numbers_of(scheduler.submit(faces(2), windows(0)[0]).result(PATIENCE_S)) == [2]
    assert [record.getMessage() for record in caplog.records] == [
        "The network failed in a way that is not known"
    ]


@pytest.mark.parametrize("end", ["answer", "error", "cancel"])
def test_nothing_holds_on_to_the_arrays_of_a_job_that_is_done(
    inferencer: Inferencer, network: PlayedNetwork, end: str
) -> None:
    visual = faces(1, 2)
    arrays = weakref.ref(visual)
    if end == "error":
        network.failures[2] = BackendError("The device is gone; start again.")
    gc.disable()  # what only the collector would find is held for too long
    try:
        with Scheduler(inferencer) as scheduler:
            future = scheduler.submit(visual, windows(0)[0])
            if end == "cancel":
                future.cancel()
            del visual
            concurrent.futures.wait([future], PATIENCE_S)
        assert arrays() is None
    finally:
        gc.enable()


def test_asyncio_awaits_and_cancels(inferencer: Inferencer, network: PlayedNetwork) -> None:
    network.hold()

    async def ask() -> list[int]:
        answered = asyncio.wrap_future(scheduler.submit(faces(1), windows(1)[0]))
        cancelled = asyncio.wrap_future(scheduler.submit(faces(11), windows(1)[0]))
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        # The cancelling of a wrapped future is passed on by the loop's next round.
        await asyncio.sleep(0)
        network.let_go()
        return numbers_of(await answered)

    with Scheduler(inferencer) as scheduler:
        assert asyncio.run(ask()) == [2]
    assert network.seen == [1]


def test_closing_with_grace_finishes_what_was_submitted(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    network.hold()
    with Scheduler(inferencer) as scheduler:
        jobs = [scheduler.submit(faces(n, n + 1), windows(0)[0]) for n in (10, 20, 30)]
        network.wait_until_begun()
        closing = threading.Thread(target=scheduler.close, args=(PATIENCE_S,))
        closing.start()
        network.let_go()
        closing.join(PATIENCE_S)
        assert not closing.is_alive()
        assert [numbers_of(job.result(0)) for job in jobs] == [[10, 11], [20, 21], [30, 31]]
        with pytest.raises(UnavailableError) as caught:
            scheduler.submit(faces(1), windows(0)[0])
        assert str(caught.value) == STOPPING


def test_closing_without_grace_fails_what_has_not_begun(
    inferencer: Inferencer, network: PlayedNetwork
) -> None:
    network.hold()
    scheduler = Scheduler(inferencer)
    with scheduler:
        running = scheduler.submit(faces(1), windows(0)[0])
        network.wait_until_begun()
        waiting = scheduler.submit(faces(2, 3), windows(0)[0])
        closing = threading.Thread(target=scheduler.close)
        closing.start()
        with pytest.raises(UnavailableError) as caught:  # though a run is still under way
            waiting.result(PATIENCE_S)
        assert str(caught.value) == STOPPING
        network.let_go()
        closing.join(PATIENCE_S)
        assert numbers_of(running.result(0)) == [1]
    assert network.seen == [1]


def test_closing_does_not_wait_for_company(inferencer: Inferencer, network: PlayedNetwork) -> None:
    with Scheduler(inferencer, rows=2, batch_wait_s=10 * PATIENCE_S) as scheduler:
        alone = scheduler.submit(faces(1), windows(0)[0])
        scheduler.close(PATIENCE_S)
        assert numbers_of(alone.result(0)) == [1]


def test_every_run_is_reported(inferencer: Inferencer, network: PlayedNetwork) -> None:
    network.failures[3] = GONE
    reports: list[RunReport] = []
    scheduler = Scheduler(inferencer, rows=2, on_run=reports.append)
    jobs = [
        scheduler.submit(faces(number), windows(0)[0], lane=lane)
        for number, lane in ((1, Lane.LIVE), (2, Lane.PROMPT), (3, Lane.BULK))
    ]
    with scheduler:
        concurrent.futures.wait(jobs, PATIENCE_S)
    assert [(report.lanes, report.failures) for report in reports] == [
        ((Lane.LIVE, Lane.PROMPT), 0),
        ((Lane.BULK,), 1),
    ]
    for report in reports:
        assert len(report.waits_s) == len(report.lanes)
        assert min(report.waits_s) >= 0
        assert report.seconds >= 0


def test_what_counts_may_fail_without_harm(
    inferencer: Inferencer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: RunReport) -> None:
        raise OSError("no room for figures")

    with Scheduler(inferencer, on_run=fail) as scheduler:
        for number in (1, 2):
            future = scheduler.submit(faces(number), windows(0)[0])
            assert numbers_of(future.result(PATIENCE_S)) == [number]
    assert [record.getMessage() for record in caplog.records] == [
        "What counts the runs of the network failed"
    ] * 2


def test_as_many_run_at_once_as_there_are_workers(tmp_path: Path, network: PlayedNetwork) -> None:
    network.hold()
    with network.inferencer(tmp_path, workers=3) as three, Scheduler(three) as scheduler:
        job = scheduler.submit(faces(1, 2, 3, 4), windows(0)[0])
        network.wait_until_begun(3)
        assert sorted(network.seen) == [1, 2, 3]
        network.let_go()
        assert numbers_of(job.result(PATIENCE_S)) == [1, 2, 3, 4]

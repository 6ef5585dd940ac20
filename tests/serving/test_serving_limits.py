"""What is let in, what is refused, and that the books balance."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from viseme.errors import InputError, OverloadedError, UnavailableError
from viseme.serving import Admission, Limits, Load
from viseme.serving.config.model import TokenLimits

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

SMALL = Limits(requests=6, frames=40, request_bytes=1000, message_bytes=500, streams=3, clips=2)


def test_what_clients_can_take_of_the_memory_is_told() -> None:
    assert SMALL.memory_bytes == (6 + 2 + 3) * 500 + 3 * 1000
    small = Limits(requests=16, request_bytes=2**29, message_bytes=2**26)
    assert Limits().memory_bytes < 17.5 * 2**30
    assert small.memory_bytes < 3.1 * 2**30


def unknown_rate() -> float:
    return 0.0


def admission(limits: Limits = SMALL) -> Admission:
    return Admission(limits, unknown_rate)


@pytest.mark.parametrize(
    ("claim", "held", "most", "things"),
    [
        ({}, 6, 6, "requests"),
        ({"frames": 9}, 36, 40, "frames"),
        ({"request_bytes": 300}, 900, 1000, "bytes of requests"),
        ({"streams": 1}, 3, 3, "live streams"),
        ({"clips": 1}, 2, 2, "clips"),
    ],
)
def test_what_would_pass_a_bound_is_refused_at_once(
    claim: dict[str, Any], held: int, most: int, things: str
) -> None:
    books = admission()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(books.request(**claim))
            except OverloadedError as error:
                refusal = error
                break
    assert str(refusal) == (
        f"The server is busy: {held} of {most} {things} are taken; try again in 1 s."
    )
    assert refusal.retry_after_s == 1.0
    assert books.held == Load()
    with books.request(**claim):  # there is room again
        pass


@pytest.mark.parametrize(("rate", "wait_s"), [(2.5, 16.0), (1000.0, 1.0), (0.1, 60.0), (0.0, 1.0)])
def test_the_time_to_wait_comes_from_the_queue_and_the_rate(rate: float, wait_s: float) -> None:
    books = Admission(SMALL, lambda: rate)
    with (
        books.request(frames=40),
        pytest.raises(OverloadedError) as caught,
        books.request(frames=1),
    ):
        pass
    assert caught.value.retry_after_s == wait_s
    assert str(caught.value).endswith(f"try again in {int(wait_s)} s.")


def test_what_can_never_fit_is_no_matter_of_waiting() -> None:
    with pytest.raises(InputError) as caught, admission().request(frames=41):
        pass
    assert str(caught.value) == (
        "The request is for 41 frames at once, and 40 is the most that is let in; ask for less "
        "at a time."
    )


def test_a_caller_has_his_share_and_leaves_the_rest_to_others() -> None:
    books = admission()
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(books.request(caller="one"))
        with pytest.raises(OverloadedError) as caught:
            stack.enter_context(books.request(caller="one"))
        assert str(caught.value) == (
            "'one' has its share of the server: 3 of 3 requests are taken; try again in 1 s."
        )
        for _ in range(3):
            stack.enter_context(books.request(caller="two"))
        assert books.held_by("one") == books.held_by("two") == Load(requests=3)
        with pytest.raises(OverloadedError, match="The server is busy: 6 of 6 requests"):
            stack.enter_context(books.request(caller="three"))
    assert books.held_by("one") == Load()


def test_callers_without_a_name_share_the_whole() -> None:
    books = admission()
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(books.request())
        assert books.held == Load(requests=6)


def test_a_share_has_room_for_one_request_of_the_largest_batch() -> None:
    assert Limits(caller_share=0.001).share() == Load(1, 25, 200 * 2**20, 1, 1)
    assert SMALL.share() == Load(3, 25, 500, 1, 1)
    assert Limits(caller_share=1.0).share() == Limits().whole()
    assert Limits(frames=7, caller_share=0.1).share().frames == 7


def test_limits_of_one_caller_take_the_place_of_his_share() -> None:
    given = TokenLimits(requests=5, frames=3).given()
    books = Admission(SMALL, unknown_rate, {"one": given})
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(books.request(caller="one"))
        with pytest.raises(OverloadedError) as more:
            stack.enter_context(books.request(caller="one"))
        assert str(more.value) == (
            "'one' has its share of the server: 5 of 5 requests are taken; try again in 1 s."
        )
    with ExitStack() as stack:
        with pytest.raises(InputError) as never:
            stack.enter_context(books.request(frames=4, caller="one"))
        assert str(never.value) == (
            "The request is for 4 frames at once, and 3 is the most that is let in; ask for less "
            "at a time."
        )
        stack.enter_context(books.request(request_bytes=500, caller="one"))  # as his share has it
        with pytest.raises(OverloadedError, match="500 of 500 bytes of requests"):
            stack.enter_context(books.request(request_bytes=1, caller="one"))
        for _ in range(3):  # and others have theirs
            stack.enter_context(books.request(caller="two"))
        with pytest.raises(OverloadedError, match="'two' has its share of the server: 3 of 3"):
            stack.enter_context(books.request(caller="two"))


def test_limits_of_one_caller_do_not_raise_the_bounds_of_all() -> None:
    books = Admission(SMALL, unknown_rate, {"one": {"frames": 1000}})
    with (
        books.request(frames=30),
        pytest.raises(OverloadedError, match="The server is busy: 30 of 40 frames"),
        books.request(frames=11, caller="one"),
    ):
        pass


def test_a_guest_claims_more_when_more_is_known_and_gives_all_of_it_back() -> None:
    books = admission()
    with books.request(caller="one") as guest:
        guest.claim(request_bytes=400)
        guest.claim(frames=20)
        guest.claim(frames=5)
        assert books.held == books.held_by("one") == Load(1, 25, 400)
    assert books.held == books.held_by("one") == Load()


def test_a_claim_that_does_not_fit_leaves_what_was_there() -> None:
    books = admission()
    with books.request(frames=20), books.request(frames=15) as guest:
        with pytest.raises(OverloadedError) as now:
            guest.claim(frames=6)
        assert str(now.value) == (
            "The server is busy: 35 of 40 frames are taken; try again in 1 s."
        )
        with pytest.raises(InputError) as never:
            guest.claim(frames=26)
        assert str(never.value).startswith("The request is for 41 frames at once, and 40 is")
        assert books.held == Load(2, 35)
    assert books.held == Load()


def test_a_guest_of_a_draining_server_may_finish() -> None:
    books = admission()
    with books.request() as guest:
        books.drain()
        guest.claim(frames=3)
        assert books.held.frames == 3


@pytest.mark.parametrize(("frames_per_s", "streams"), [(5.0, 1), (57.0, 1), (63.0, 2), (200.0, 6)])
def test_live_streams_are_as_many_as_the_machine_has_time_for(
    frames_per_s: float, streams: int
) -> None:
    assert Limits().fitted(frames_per_s).streams == streams
    assert Limits(streams=3).fitted(frames_per_s).streams == 3
    assert Limits().whole().streams == 1


def test_everything_is_given_back_whatever_happens() -> None:
    books = admission()

    def fail() -> None:
        with books.request(frames=9, request_bytes=100, streams=1, clips=1, caller="one"):
            assert books.held == books.held_by("one") == Load(1, 9, 100, 1, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert books.held == books.held_by("one") == Load()


def test_a_draining_server_lets_nothing_in_and_waits_for_what_is_in() -> None:
    books = admission()
    with ExitStack() as stack:
        stack.enter_context(books.request())
        before = books.draining
        books.drain()
        assert (before, books.draining) == (False, True)
        with pytest.raises(UnavailableError) as caught, books.request():
            pass
        assert str(caught.value) == "The server is stopping; send the request to another, or later."
        assert not books.wait_until_idle(0)
        with ThreadPoolExecutor(1) as executor:
            idle = executor.submit(books.wait_until_idle, 60)
            stack.close()
            assert idle.result()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 0}, "frames is 0; it must be 1 or more"),
        ({"streams": 0}, "streams is 0; it must be 1 or more"),
        ({"message_bytes": -1}, "message_bytes is -1; it must be 1 or more"),
        ({"clip_s": float("nan")}, "clip_s is nan; it must be a number over 0"),
        ({"stall_s": 0.0}, "stall_s is 0.0; it must be a number over 0"),
        ({"caller_share": 1.5}, "caller_share is 1.5; it must be 1 or less"),
    ],
)
def test_limits_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is what is asserted
        Limits(**values)
    assert str(caught.value) == message


def test_the_books_balance_with_many_at_once() -> None:
    books, most = admission(), 16
    together = threading.Barrier(most, timeout=60)
    peak: list[Load] = []

    def come_and_go(number: int) -> int:
        together.wait()
        admitted = 0
        for _ in range(200):
            try:
                with books.request(frames=7, caller=f"caller {number % 3}"):
                    peak.append(books.held)
                    admitted += 1
            except OverloadedError:
                pass
        return admitted

    with ThreadPoolExecutor(most) as executor:
        admitted = sum(executor.map(come_and_go, range(most)))
    assert admitted == len(peak) > 0
    assert max(load.frames for load in peak) <= 40
    assert books.held == Load()
    assert all(books.held_by(f"caller {number}") == Load() for number in range(3))


CALLERS = (None, "one", "two")
CLAIMS = st.builds(
    Load,
    requests=st.just(1),
    frames=st.integers(0, 25),
    request_bytes=st.integers(0, 500),
    streams=st.integers(0, 1),
    clips=st.integers(0, 1),
)


class Books(RuleBasedStateMachine):
    """Requests come and go in any order; a plain list of who is in says what must be so."""

    def __init__(self) -> None:
        super().__init__()
        self.books = admission()
        self.guests: list[tuple[ExitStack, Load, str | None]] = []
        self.drained = False

    def total(self, caller: str | None = None) -> Load:
        load = Load()
        for _, claim, name in self.guests:
            if caller in (None, name):
                load = load.plus(claim)
        return load

    def fits(self, claim: Load, caller: str | None) -> bool:
        wanted = self.total().plus(claim)
        fits = all(have <= most for have, most in zip(wanted, SMALL.whole(), strict=True))
        if caller is not None:
            wanted = self.total(caller).plus(claim)
            fits &= all(have <= most for have, most in zip(wanted, SMALL.share(), strict=True))
        return fits

    @rule(claim=CLAIMS, caller=st.sampled_from(CALLERS))
    def come(self, claim: Load, caller: str | None) -> None:
        _, frames, request_bytes, streams, clips = claim
        guest = ExitStack()
        try:
            guest.enter_context(
                self.books.request(
                    frames=frames,
                    request_bytes=request_bytes,
                    streams=streams,
                    clips=clips,
                    caller=caller,
                )
            )
        except UnavailableError:
            assert self.drained
        except OverloadedError:
            assert not self.fits(claim, caller)
        else:
            assert not self.drained
            assert self.fits(claim, caller)
            self.guests.append((guest, claim, caller))

    @precondition(lambda self: len(self.guests) > 0)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        guest, _, _ = self.guests.pop(data.draw(st.integers(0, len(self.guests) - 1)))
        guest.close()

    @precondition(lambda self: len(self.guests) > 3)
    @rule()
    def drain(self) -> None:
        self.books.drain()
        self.drained = True

    @invariant()
    def books_balance(self) -> None:
        assert self.books.held == self.total()
        for caller in ("one", "two"):
            assert self.books.held_by(caller) == self.total(caller)
        assert self.books.wait_until_idle(0) == (not self.guests)

    def teardown(self) -> None:
        for guest, _, _ in self.guests:
            guest.close()
        assert self.books.held == Load()


def test_the_books_balance_whoever_comes_and_goes() -> None:
    run_state_machine_as_test(Books, settings=settings(max_examples=30, stateful_step_count=25))


def test_who_runs_long_is_told_of_the_draining() -> None:
    admission = Admission(Limits(), lambda: 0.0)
    told: list[str] = []
    with admission.telling(lambda: told.append("left before")):
        pass
    with admission.telling(lambda: told.append("in")):
        admission.drain()
        assert told == ["in"]
        with admission.telling(lambda: told.append("late")):
            assert told == ["in", "late"]

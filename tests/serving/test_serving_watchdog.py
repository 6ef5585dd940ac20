"""What is watched: late or in time, many at once, and the end."""

from __future__ import annotations

import threading

import pytest

from support.played_network import PATIENCE_S
from viseme.serving.watchdog import Watchdog

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_it_barks_once_when_a_block_lasts_too_long() -> None:
    barks, barked = [], threading.Event()

    def bark() -> None:
        barks.append(1)
        barked.set()

    with Watchdog() as watchdog:
        with watchdog.within(0.01, bark):
            assert barked.wait(PATIENCE_S)
        with watchdog.within(PATIENCE_S, bark):
            pass
    assert barks == [1]


def test_what_ends_sooner_is_not_hidden_by_what_was_there_before() -> None:
    soon, late = threading.Event(), threading.Event()
    with (
        Watchdog() as watchdog,
        watchdog.within(10 * PATIENCE_S, late.set),
        watchdog.within(0.01, soon.set),
    ):
        assert soon.wait(PATIENCE_S)
        again = threading.Event()
        with watchdog.within(0.01, again.set):  # while it sleeps until the late one
            assert again.wait(PATIENCE_S)
    assert not late.is_set()


def test_one_that_is_broken_by_an_error_is_watched_no_more() -> None:
    barked, other = threading.Event(), threading.Event()
    with Watchdog() as watchdog:
        with pytest.raises(ZeroDivisionError), watchdog.within(0.05, barked.set):
            raise ZeroDivisionError
        with watchdog.within(0.1, other.set):
            assert other.wait(PATIENCE_S)
    assert not barked.is_set()


def test_its_end_is_no_reason_to_bark() -> None:
    barked = threading.Event()
    watchdog = Watchdog()
    with watchdog, watchdog.within(PATIENCE_S, barked.set):
        watchdog.close()
        watchdog.close()
    assert not barked.is_set()

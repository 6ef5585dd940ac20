"""An hour of the page at rest and speaking: `make soak-page`, not part of `make test`.

`VISEME_SOAK_PAGE_SECONDS` says how long. In turn, the avatar says 20 s of bursts, whose skew is
looked at, rests, says what the microphone hears, and is broken off. What the tab and the server
hold is told all the time, and compared between the beginning and the end.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.gauge_fixtures import *  # noqa: F403 - in place of the plugin's
from support.memory import resident_mib
from support.page_gauge import broken_off, listened, opened, spoken
from support.server_process import addresses, drain, serving_process

SECONDS = float(os.environ.get("VISEME_SOAK_PAGE_SECONDS", "3600"))
REST_MS = 10_000
SKEW_MS = 40
MIB = 2**20
GROWTH_MAX_MIB = {"heap": 4.0, "tab": 48.0, "server": 32.0}
"""Of what scripts hold after a collection, of the tab's process, and of the server's. An hour has
90,000 pictures: one of them kept in a thousand would be more."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + 600)]


class Round(NamedTuple):
    """What was found after one turn."""

    skew_ms: float
    shown: float
    delay_ms: float
    held_mib: dict[str, float]


class Watch:
    """Looks at what the tab and the server hold.

    Args:
        browser: that of the page.
        page: the page.
        server: process id.
    """

    def __init__(self, browser: Any, page: Any, server: int) -> None:
        self._browser = browser.new_browser_cdp_session()
        self._page = page.context.new_cdp_session(page)
        self._page.send("Performance.enable")
        self._server = server

    def held_mib(self) -> dict[str, float]:
        self._page.send("HeapProfiler.collectGarbage")
        metrics = self._page.send("Performance.getMetrics")["metrics"]
        heap = next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")
        processes = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        tabs = [each["id"] for each in processes if each["type"] == "renderer"]
        return {
            "heap": heap / MIB,
            "tab": max(map(resident_mib, tabs)),
            "server": resident_mib(self._server),
        }


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """The page's address, and the server's process."""
    environment = {**os.environ, "VISEME_AVATARS": str(folder / "avatars")}
    arguments = ("--avatar", "lamp", "--backend", "onnxruntime", "--json")
    with serving_process(folder, environment, *arguments) as process:
        drain(process)
        yield f"http://{addresses(process)['http']}/", process.pid


def one_round(page: Any, watch: Watch) -> Round:
    (speech,) = spoken(page)
    page.wait_for_timeout(REST_MS)
    (microphone,) = listened(page, 6)
    broken_off(page)
    found = Round(speech["skew_end_ms"], speech["shown"], microphone["delay_ms"], watch.held_mib())
    held = ", ".join(f"{name} {mib:.1f} MiB" for name, mib in found.held_mib.items())
    seen = f"skew {found.skew_ms:.1f} ms, shown {found.shown:.1%}"
    print(f"{seen}, microphone {found.delay_ms:.0f} ms, {held}", flush=True)
    return found


def test_nothing_grows_and_nothing_drifts(page: Any, browser: Any, served: tuple[str, int]) -> None:
    url, server = served
    opened(page, url)
    watch = Watch(browser, page, server)
    until_s = time.monotonic() + SECONDS
    rounds: list[Round] = []
    while time.monotonic() < until_s or len(rounds) < 6:
        rounds.append(one_round(page, watch))
    # The first turn warms up: codecs, compiled scripts, fonts.
    few = max(2, len(rounds) // 4)
    first, last = rounds[1 : 1 + few], rounds[-few:]
    for name, most in GROWTH_MAX_MIB.items():
        before, after = (
            statistics.median(each.held_mib[name] for each in some) for some in (first, last)
        )
        print(f"{name}: {before:.1f} MiB, at the end {after:.1f} MiB")
        assert after - before < most, name
    for some in (first, last):
        assert abs(statistics.median(each.skew_ms for each in some)) <= SKEW_MS

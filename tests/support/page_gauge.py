"""What one hears and sees of the avatars in a page, as figures.

What is seen is read from the pixels of the canvas after each drawing; what is heard is tapped
beside the loudspeaker (`gauge.js`, `tap.js`). The avatar is that of `support.loudness`, whose face
is lit exactly while there is sound, and whose background tells one picture from the next.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from support.loudness import bursts, make_lamp, steady
from support.page import PATIENCE_MS, PICTURES
from support.server_process import PATIENCE_S

SECONDS = 21
"""Of `bursts.wav`: the first burst comes after one second, and 20 of them are looked at."""
RATE_HZ = 48_000
ATTEMPTS = 3
_LIT, _DARK = 200, 55
_HERE = Path(__file__).parent
_FILES = ("bursts", "steady")

Figures = dict[str, float]


class Onsets(NamedTuple):
    """When something began, in seconds of the clock of the sound."""

    heard: list[float]
    lit: list[float]


def make_folder(base: Path) -> Path:
    """Write the avatar and what it says."""
    make_lamp(base / "avatars" / "lamp")
    soundfile.write(base / "bursts.wav", bursts(SECONDS, RATE_HZ), RATE_HZ)
    soundfile.write(base / "steady.wav", steady(10, RATE_HZ), RATE_HZ)
    return base


@contextmanager
def gauged_page(browser: Any, folder: Path) -> Iterator[Any]:
    """Open a page with a gauge in it, of which nothing went wrong at the end."""
    context = browser.new_context(
        viewport={"width": 1000, "height": 900},
        permissions=["microphone"],
        bypass_csp=True,  # the tap is a script of ours
    )
    context.add_init_script(path=_HERE / "gauge.js")
    for name in _FILES:
        context.route(f"**/{name}.wav", _answer(folder / f"{name}.wav"))
    faults: list[str] = []
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


def _answer(path: Path) -> Callable[[Any], None]:
    return lambda route: route.fulfill(path=path)


def until_all(page: Any, expression: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so of every avatar `a` in the page."""
    asked = f"gauge.avatars.length > 0 && gauge.avatars.every((a) => {expression})"
    for _ in range(round(20 * patience_s)):
        if page.evaluate(asked):
            return
        page.wait_for_timeout(50)
    states = page.evaluate("gauge.avatars.map((a) => a.state)")
    raise AssertionError(f"not so: {expression}; {states}")


def opened(page: Any, url: str) -> list[Figures]:
    """Open a page, and give the time from that to the first picture of each avatar."""
    page.goto(url)
    until_all(page, "a.state === 'resting' && gauge.log(a).firstMs !== null")
    tap(page)
    return [{"first_ms": round(log["firstMs"])} for log in taken(page)]


def tap(page: Any) -> None:
    """Begin to listen: once there is an avatar, and again once it has a microphone."""
    page.evaluate("(script) => gauge.tap(script)", (_HERE / "tap.js").read_text())


def taken(page: Any) -> list[Any]:
    """Give what was noted since the last time, of each avatar."""
    logs: list[Any] = page.evaluate("gauge.take()")
    return logs


def begin(page: Any, name: str) -> None:
    """Let each avatar say a file, and wait until it is heard."""
    taken(page)
    page.evaluate("(url) => gauge.speak(url)", f"/{name}.wav")
    until_all(page, "a.speech && a.speech.base !== null")


def spoken(page: Any) -> list[Figures]:
    """Let each avatar say the bursts to their end; give its figures."""
    begin(page, "bursts")
    page.wait_for_timeout(1000 * SECONDS)
    until_all(page, "a.state === 'resting'")
    return [speech_figures(log) for log in taken(page)]


def listened(page: Any, seconds: float) -> list[Figures]:
    """Let each avatar say what its microphone hears; give the delay of the bursts in it."""
    page.evaluate("Promise.all(gauge.avatars.map((a) => a.listen()))")
    tap(page)
    taken(page)
    page.wait_for_timeout(1000 * seconds)
    logs = taken(page)
    page.evaluate("gauge.interrupt()")
    until_all(page, "a.state === 'resting' && !a.line.isForgetting")
    return [_microphone_figures(log) for log in logs]


def broken_off(page: Any) -> list[Figures]:
    """Break in upon each avatar while its mouth is open; give what is seen after that."""
    begin(page, "steady")
    page.wait_for_timeout(1000)
    taken(page)
    at_ms = page.evaluate("gauge.interrupt()")
    until_all(page, "a.state === 'resting' && !a.line.isForgetting")
    page.wait_for_timeout(500)
    figures = []
    for log in taken(page):
        after = [seen for seen in log["seen"] if seen["ms"] > at_ms]
        at_rest = next(n for n, seen in enumerate(after) if not _is_speech(seen))
        late = sum(_is_speech(seen) for seen in after)
        figures.append({"pictures": late, "rest_ms": round(after[at_rest]["ms"] - at_ms)})
    return figures


def recovered(page: Any, trouble: Callable[[], None], *, settle_ms: float = 1500) -> list[Figures]:
    """Let each avatar speak, make trouble, and give the skew of what is said after it.

    Args:
        page: has the avatars.
        trouble: what is done to them in the middle.
        settle_ms: how long after it what was begun before may still be shown, or left out.
    """
    begin(page, "bursts")
    page.wait_for_timeout(2000)
    trouble()
    until_all(page, "a.state === 'speaking' && a.speech.source")
    page.wait_for_timeout(settle_ms)
    taken(page)
    page.wait_for_timeout(4000)
    logs = taken(page)
    page.evaluate("gauge.interrupt()")
    until_all(page, "a.state === 'resting' && !a.line.isForgetting")
    return [_recovery_figures(log) for log in logs]


def _recovery_figures(log: Any) -> Figures:
    onsets = onsets_of(log)
    # One that is heard as the log is taken may be seen after it.
    last = log["seen"][-1]["heardAt"] - 0.2
    skews = skews_ms(Onsets([at for at in onsets.heard if at < last], onsets.lit))
    return {"bursts": len(skews), "skew_ms": round(statistics.median(skews), 1)}


def speech_figures(log: Any) -> Figures:
    """Figures of bursts that were spoken without a break."""
    onsets = onsets_of(log)
    skews = skews_ms(onsets)
    begin = onsets.heard[0] - 1
    whole_s = SECONDS - 1
    shown = sum(
        _is_speech(seen) and begin <= seen["heardAt"] < begin + whole_s for seen in log["seen"]
    )
    return {
        "bursts": len(skews),
        "shown": round(shown / (whole_s * 25), 4),
        "skew_begin_ms": round(statistics.median(skews[:5]), 1),
        "skew_end_ms": round(statistics.median(skews[-5:]), 1),
        "skew_worst_ms": round(max(map(abs, skews)), 1),
    }


def onsets_of(log: Any) -> Onsets:
    """Tell when bursts began to be heard, and the lamp to be lit."""
    heard = [each["at"] for each in log["heard"] if each["isLoud"]]
    return Onsets(heard, [seen["heardAt"] for seen in _beginnings(log)])


def skews_ms(onsets: Onsets) -> list[float]:
    """Tell how much later than it is heard each burst is seen; a second if it is not."""
    assert onsets.heard, "nothing was heard"
    found = []
    for heard in onsets.heard:
        nearest = min(onsets.lit, key=lambda at: abs(at - heard), default=heard + 1)
        found.append(1000 * min(1.0, nearest - heard))
    return found


def _microphone_figures(log: Any) -> Figures:
    captured = [each["at"] for each in log["captured"] if each["isLoud"]]
    lit = [seen["clock"] for seen in _beginnings(log)]
    delays = []
    for at in captured:
        after = [seen - at for seen in lit if seen > at]
        if after:
            delays.append(1000 * (after[0] - log["lookaheadS"]))
    return {"bursts": len(delays), "delay_ms": round(statistics.median(delays))}


def _is_speech(seen: Any) -> bool:
    """Tell whether a picture is of speech: at rest the face is grey."""
    return bool(seen["face"] > _LIT or seen["face"] < _DARK)


def _beginnings(log: Any) -> list[Any]:
    """Give the pictures with which the lamp begins to be lit."""
    pairs = zip([None, *log["seen"]], log["seen"], strict=False)
    return [
        seen
        for before, seen in pairs
        if seen["face"] > _LIT and not (before and before["face"] > _LIT)
    ]


def best(
    row: str, measure: Callable[[], list[Figures]], is_good: Callable[[Figures], bool]
) -> list[Figures]:
    """Measure a row until it is good of every avatar, at most three times; note all of it."""
    attempts: list[list[Figures]] = []
    while not attempts or (len(attempts) < ATTEMPTS and not all(map(is_good, attempts[-1]))):
        attempts.append(measure())
    path = PICTURES / "figures.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    known[row] = {"attempts": attempts, "load": round(os.getloadavg()[0], 1)}
    path.write_text(json.dumps(known, indent=2) + "\n")
    return attempts[-1]

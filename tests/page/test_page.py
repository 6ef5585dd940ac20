"""The page in a real browser, against a real server: it shows, speaks, stops and comes back.

Screenshots of its states go to `out/page`, to be looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest

from support.page import (
    PICTURES,
    SECONDS,
    free_port,
    is_drawn,
    of_avatar,
    server,
    until,
    wait_for,
)
from support.slow_line import slow_line
from viseme.serving.config import Address

pytest_plugins = ["support.page_fixtures"]
pytestmark = pytest.mark.waiting


def test_it_shows_speaks_and_rests_again(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    until(page, "a.screen.shown > 5")
    assert is_drawn(page)
    page.screenshot(path=PICTURES / "resting.png")
    page.set_input_files("#file", folder / "speech.wav")
    wait_for(page, "speaking")
    until(page, "a.speech?.base !== null")
    page.screenshot(path=PICTURES / "speaking.png")
    wait_for(page, "resting")
    sent = of_avatar(page, "a.line.position")
    rate = of_avatar(page, "a.sound.sampleRate")
    assert sent == pytest.approx(SECONDS * rate, abs=2)
    page.click("summary")
    until(page, "a.ownerDocument.getElementById('rate').textContent !== '–'")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=PICTURES / "phone.png")
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=PICTURES / "dark.png")


def test_what_is_seen_and_heard_is_recorded(
    page: Any, folder: Path, tmp_path: Path, url: str
) -> None:
    page.goto(url)
    wait_for(page, "resting")
    page.click("#record")
    assert page.get_attribute("#record", "aria-pressed") == "true"
    page.set_input_files("#file", folder / "speech.wav")
    wait_for(page, "speaking")
    wait_for(page, "resting")
    with page.expect_download() as given:
        page.click("#record")
    path = tmp_path / given.value.suggested_filename
    given.value.save_as(path)
    assert page.text_content("#record") == "Record"
    with av.open(path) as film:
        frames = list(film.decode(video=0))
    with av.open(path) as film:
        heard = np.concatenate([each.to_ndarray().ravel() for each in film.decode(audio=0)])
    size = of_avatar(page, "[a.canvas.width, a.canvas.height]")
    assert [frames[-1].width, frames[-1].height] == size
    assert float(frames[-1].pts * frames[-1].time_base) > SECONDS - 0.5
    assert np.ptp(frames[len(frames) // 2].to_ndarray(format="gray")) > 50
    assert np.abs(heard).max() > 0.05


def test_a_speech_can_be_broken_off(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    page.set_input_files("#file", folder / "speech.wav")
    until(page, "a.speech && a.speech.base !== null")
    page.click("#interrupt")
    wait_for(page, "resting")
    until(page, "!a.line.isForgetting")
    shown = of_avatar(page, "a.screen.shown")
    until(page, f"a.screen.shown > {shown} + 5")
    assert of_avatar(page, "a.speech === null")
    # And it speaks again after that.
    page.set_input_files("#file", folder / "speech.wav")
    wait_for(page, "speaking")
    wait_for(page, "resting")


def test_the_microphone_is_listened_to(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    said = 0
    for _ in range(2):  # the node that cuts it into pieces is the same
        page.click("#listen")
        wait_for(page, "listening")
        until(page, "a.speech && a.speech.base !== null && a.figures.delayMs > 0")
        page.screenshot(path=PICTURES / "listening.png")
        assert of_avatar(page, f"a.line.position > {said} && a.microphone !== null")
        page.click("#listen")
        wait_for(page, "resting")
        assert of_avatar(page, "a.microphone === null && a.speech === null")
        said = of_avatar(page, "a.line.position")


def test_it_answers_sooner_where_that_is_wanted(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    exact = of_avatar(page, "a.lookahead_s")
    page.check("#sooner")
    until(page, f"a.lookahead_s < {exact} - 0.3")
    wait_for(page, "resting")
    page.click("#listen")
    until(page, "a.speech && a.speech.base !== null && a.figures.delayMs > 0")
    page.uncheck("#sooner")
    until(page, f"a.lookahead_s === {exact}")
    assert of_avatar(page, "a.microphone === null")


def test_a_small_element_gets_pictures_that_fit_it(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    own = of_avatar(page, "[a.canvas.width, a.canvas.height]")
    of_avatar(page, "(a.style.width = '60px', a.style.height = '60px', a.setAttribute('fit', ''))")
    until(page, f"a.canvas.width < {own[0]}")
    width, height = of_avatar(page, "[a.canvas.width, a.canvas.height]")
    assert width <= 60
    assert height <= 60
    assert width * own[1] == pytest.approx(height * own[0], rel=0.1)
    until(page, "a.screen.shown > 5")


def test_it_comes_back_when_the_server_does(page: Any, folder: Path) -> None:
    port = free_port()
    with server(folder, port) as url:
        page.goto(url)
        wait_for(page, "resting")
        page.set_input_files("#file", folder / "speech.wav")
        until(page, "a.speech && a.speech.base !== null && a.sound.heard > a.speech.base")
    wait_for(page, "lost")
    page.screenshot(path=PICTURES / "lost.png")
    heard = of_avatar(page, "a.speech.heard")
    until(page, "a.line.failures >= 2")  # one that was open, and one that could not be opened
    with server(folder, port):
        wait_for(page, "speaking")
        # Not from the beginning: what was heard is not said again, and nothing else is left out.
        rate = of_avatar(page, "a.sound.sampleRate")
        assert heard > 0
        left = of_avatar(page, "a.speech.samples.length")
        assert left == pytest.approx(SECONDS * rate - heard, abs=2)
        wait_for(page, "resting")
        assert of_avatar(page, "a.speech === null")


def test_what_is_no_sound_is_said(page: Any, folder: Path, url: str) -> None:
    (folder / "text.wav").write_text("no sound at all")
    page.goto(url)
    wait_for(page, "resting")
    page.set_input_files("#file", folder / "text.wav")
    page.wait_for_selector("#fault:not([hidden])")
    assert page.text_content("#fault").startswith("This file has no sound")
    page.screenshot(path=PICTURES / "fault.png")


def test_a_slow_line_makes_smaller_pictures_of_the_same_avatar(
    page: Any, folder: Path, url: str
) -> None:
    server_at = urlsplit(url)
    with slow_line(Address(str(server_at.hostname), int(server_at.port or 0))) as line:
        page.goto(f"http://{line.address.host}:{line.address.port}/")
        wait_for(page, "resting")
        until(page, "a.screen.shown > 5")
        codec = of_avatar(page, "a.screen.config.codec")
        size = of_avatar(page, "[a.canvas.width, a.canvas.height]")
        # The picture that is on its way takes 60 kB.
        line.bytes_per_s = 20_000
        until(page, f"a.screen.shown > {of_avatar(page, 'a.screen.shown')} + 10")
        # Those of the same size take 9 kB a second at their worst, and smaller ones half of it.
        line.bytes_per_s = 6_000
        until(page, f"a.screen.config.codec !== '{codec}'")  # of which its size is a part
        for bytes_per_s in (20_000, None):
            line.bytes_per_s = bytes_per_s
            shown = of_avatar(page, "a.screen.shown")
            until(page, f"a.screen.shown > {shown} + 25")
        until(page, f"a.screen.config.codec === '{codec}'")
        assert of_avatar(page, "[a.canvas.width, a.canvas.height]") == size
        page.set_input_files("#file", folder / "speech.wav")
        wait_for(page, "speaking")
        wait_for(page, "resting")

"""The page in a real browser, against a real server: it shows, speaks, stops and comes back.

Screenshots of its states go to `out/page`, to be looked at.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from support.probes import window_painter
from support.server_process import PATIENCE_S, addresses, drain, serving_process
from support.slow_line import slow_line
from support.speech import babble
from support.tiny_avatar import make_avatar
from viseme.serving.config import Address

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

PICTURES = Path("out/page").absolute()
PATIENCE_MS = 1000 * PATIENCE_S
SECONDS = 3.0
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server runs, and the sound that is spoken is."""
    base = tmp_path_factory.mktemp("page")
    make_avatar(base / "avatars" / "tiny", generator=window_painter)
    soundfile.write(base / "speech.wav", babble(SECONDS, 48_000), 48_000)
    return base


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    environment = {**os.environ, "VISEME_AVATARS": str(folder / "avatars")}
    where = f"127.0.0.1:{port}"
    arguments = ("--avatar", "tiny", "--backend", "onnxruntime", "--json", "--http", where)
    with serving_process(folder, environment, *arguments) as process:
        drain(process)
        yield f"http://{addresses(process)['http']}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own, of which nothing went wrong at the end."""
    context = browser.new_context(
        viewport={"width": 1000, "height": 900}, permissions=["microphone"]
    )
    faults: list[str] = []
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert faults == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(page: Any, state: str) -> None:
    page.wait_for_selector(f"body[data-state={state}]")


def of_avatar(page: Any, expression: str) -> Any:
    return page.evaluate(
        f"(() => {{ const a = document.querySelector('viseme-avatar'); return {expression}; }})()"
    )


def is_drawn(page: Any) -> bool:
    """Tell whether there is anything on the canvas."""
    return bool(
        of_avatar(page, "a.canvas.getContext('2d').getImageData(9, 9, 1, 1).data[3] === 255")
    )


def until(page: Any, expression: str) -> None:
    """Wait until something is so; the page allows no script of ours to wait in it."""
    for _ in range(10 * PATIENCE_S):
        if of_avatar(page, expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not so: {expression}")


def test_it_shows_speaks_and_rests_again(page: Any, folder: Path) -> None:
    with server(folder, 0) as url:
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
        sent = of_avatar(page, "a.position")
        rate = of_avatar(page, "a.sound.sampleRate")
        assert sent == pytest.approx(SECONDS * rate, abs=2)
        page.click("summary")
        until(page, "a.ownerDocument.getElementById('rate').textContent !== '–'")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=PICTURES / "phone.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=PICTURES / "dark.png")


def test_a_speech_can_be_broken_off(page: Any, folder: Path) -> None:
    with server(folder, 0) as url:
        page.goto(url)
        wait_for(page, "resting")
        page.set_input_files("#file", folder / "speech.wav")
        until(page, "a.speech && a.speech.base !== null")
        page.click("#interrupt")
        wait_for(page, "resting")
        until(page, "!a.isForgetting")
        shown = of_avatar(page, "a.screen.shown")
        until(page, f"a.screen.shown > {shown} + 5")
        assert of_avatar(page, "a.speech === null")
        # And it speaks again after that.
        page.set_input_files("#file", folder / "speech.wav")
        wait_for(page, "speaking")
        wait_for(page, "resting")


def test_the_microphone_is_listened_to(page: Any, folder: Path) -> None:
    with server(folder, 0) as url:
        page.goto(url)
        wait_for(page, "resting")
        page.click("#listen")
        wait_for(page, "listening")
        until(page, "a.speech && a.speech.base !== null && a.figures.delayMs > 0")
        page.screenshot(path=PICTURES / "listening.png")
        assert of_avatar(page, "a.position > 0 && a.microphone !== null")
        page.click("#listen")
        wait_for(page, "resting")
        assert of_avatar(page, "a.microphone === null && a.speech === null")


def test_it_answers_sooner_where_that_is_wanted(page: Any, folder: Path) -> None:
    with server(folder, 0) as url:
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


def test_it_comes_back_when_the_server_does(page: Any, folder: Path) -> None:
    port = free_port()
    with server(folder, port) as url:
        page.goto(url)
        wait_for(page, "resting")
        page.set_input_files("#file", folder / "speech.wav")
        until(page, "a.speech && a.speech.base !== null")
    wait_for(page, "lost")
    page.screenshot(path=PICTURES / "lost.png")
    with server(folder, port):
        wait_for(page, "speaking")
        # Not from the beginning: what was heard is not said again.
        assert of_avatar(page, "a.speech.samples.length") < SECONDS * of_avatar(
            page, "a.sound.sampleRate"
        )
        wait_for(page, "resting")
        assert of_avatar(page, "a.speech === null")


def test_what_is_no_sound_is_said(page: Any, folder: Path) -> None:
    (folder / "text.wav").write_text("no sound at all")
    with server(folder, 0) as url:
        page.goto(url)
        wait_for(page, "resting")
        page.set_input_files("#file", folder / "text.wav")
        page.wait_for_selector("#fault:not([hidden])")
        assert page.text_content("#fault").startswith("This file has no sound")
        page.screenshot(path=PICTURES / "fault.png")


def test_a_slow_line_makes_smaller_pictures_of_the_same_avatar(page: Any, folder: Path) -> None:
    with server(folder, 0) as url:
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        with slow_line(Address(host, int(port))) as line:
            page.goto(f"http://{line.address.host}:{line.address.port}/")
            wait_for(page, "resting")
            until(page, "a.screen.shown > 5")
            codec = of_avatar(page, "a.screen.config.codec")
            size = of_avatar(page, "[a.canvas.width, a.canvas.height]")
            line.bytes_per_s = 10_000
            until(page, f"a.screen.config.codec !== '{codec}'")  # of which its size is a part
            for bytes_per_s in (10_000, None):
                line.bytes_per_s = bytes_per_s
                shown = of_avatar(page, "a.screen.shown")
                until(page, f"a.screen.shown > {shown} + 25")
            until(page, f"a.screen.config.codec === '{codec}'")
            assert of_avatar(page, "[a.canvas.width, a.canvas.height]") == size
            page.set_input_files("#file", folder / "speech.wav")
            wait_for(page, "speaking")
            wait_for(page, "resting")

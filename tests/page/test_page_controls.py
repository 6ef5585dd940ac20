"""What stands around the avatar: who speaks, mute, full screen, dropped files, the keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from support.page import PICTURES, SECONDS, of_avatar, until, until_page, wait_for
from support.probes import window_painter
from support.server_process import addresses, drain, serving_process
from support.tiny_avatar import make_avatar

pytest_plugins = ["support.page_fixtures"]
pytestmark = pytest.mark.waiting

DROP = """async (url) => {
  const sound = await (await fetch(url)).blob();
  const carried = new DataTransfer();
  carried.items.add(new File([sound], "speech.wav", { type: "audio/wav" }));
  const how = { dataTransfer: carried, bubbles: true, cancelable: true };
  document.querySelector(".stage").dispatchEvent(new DragEvent("drop", how));
}"""


def test_who_speaks_is_chosen_by_a_picture(page: Any, folder: Path) -> None:
    make_avatar(folder / "avatars" / "other", generator=window_painter)
    environment = {**os.environ, "VISEME_AVATARS": str(folder / "avatars")}
    cast = ("--avatar", "tiny", "--avatar", "other", "--backend", "onnxruntime", "--json")
    with serving_process(folder, environment, *cast) as process:
        drain(process)
        page.goto(f"http://{addresses(process)['http']}/")
        wait_for(page, "resting")
        page.wait_for_selector("#cast button + button")
        loaded = "[...document.querySelectorAll('#cast img')].every((i) => i.naturalWidth > 0)"
        until_page(page, loaded)
        pressed = "[...document.querySelectorAll('#cast button')].map((b) => b.ariaPressed)"
        assert page.evaluate(pressed) == ["true", "false"]
        names = "[...document.querySelectorAll('#cast button')].map((b) => b.innerText.trim())"
        assert page.evaluate(names) == ["Tiny", "Tiny"]
        page.click("#cast button + button")
        assert page.evaluate(pressed) == ["false", "true"]
        until(page, "a.getAttribute('avatar') === 'other' && a.screen.shown > 3")
        wait_for(page, "resting")
        page.screenshot(path=PICTURES / "choosing.png")


def test_it_is_muted_and_heard_again(page: Any, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    page.click("#sample")
    wait_for(page, "speaking")
    page.check("#muted")
    until(page, "a.muted && a.loudspeaker.volume.gain.value === 0")
    page.uncheck("#muted")
    until(page, "!a.muted && a.loudspeaker.volume.gain.value === 1")


def test_it_fills_the_screen(page: Any, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    page.click("#full")
    until_page(page, "document.fullscreenElement !== null")
    page.evaluate("document.exitFullscreen()")
    until_page(page, "document.fullscreenElement === null")


def test_the_keys_alone_make_it_speak_and_stop(page: Any, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sample":
            break
    assert page.evaluate("document.activeElement.matches('#sample:focus-visible')")
    page.keyboard.press("Enter")
    wait_for(page, "speaking")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "interrupt"
    page.keyboard.press("Space")
    wait_for(page, "resting")


def test_a_file_that_is_dropped_is_spoken(page: Any, folder: Path, url: str) -> None:
    page.route("**/dropped.wav", lambda route: route.fulfill(path=folder / "speech.wav"))
    page.goto(url)
    wait_for(page, "resting")
    page.evaluate(DROP, "/dropped.wav")
    wait_for(page, "speaking")
    wait_for(page, "resting")
    sent, rate = of_avatar(page, "[a.line.position, a.sound.sampleRate]")
    assert sent == pytest.approx(SECONDS * rate, abs=2)

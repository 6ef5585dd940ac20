"""The page where a browser lacks something, and for those who want less of what it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.page import PICTURES, of_avatar, until, wait_for

pytest_plugins = ["support.page_fixtures"]
pytestmark = pytest.mark.waiting

PIXELS = "[...a.canvas.getContext('2d').getImageData(0, 0, 8, 8).data].join()"


def test_without_a_decoder_of_video_single_pictures_are_shown(
    page: Any, folder: Path, url: str
) -> None:
    page.add_init_script("delete window.VideoDecoder;")
    page.goto(url)
    wait_for(page, "resting")
    assert of_avatar(page, "a.screen.config.codec") == ""
    assert "single pictures" in page.text_content("#note:not([hidden])")
    page.set_input_files("#file", folder / "speech.wav")
    wait_for(page, "speaking")
    shown = of_avatar(page, "a.screen.shown")
    until(page, f"a.screen.shown > {shown} + 25")
    page.screenshot(path=PICTURES / "single-pictures.png")
    wait_for(page, "resting")
    assert page.is_hidden("#fault")


def test_with_a_decoder_of_video_nothing_is_said_of_it(page: Any, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    assert of_avatar(page, "a.screen.config.codec").startswith("avc1.")
    assert page.is_hidden("#note")


def test_without_a_microphone_to_be_had_it_is_said_why(page: Any, url: str) -> None:
    page.add_init_script("delete Navigator.prototype.mediaDevices;")
    page.goto(url)
    wait_for(page, "resting")
    page.click("#listen")
    page.wait_for_selector("#fault:not([hidden])")
    assert page.text_content("#fault") == (
        "The browser gives the microphone to pages over HTTPS or of this machine only."
    )
    assert of_avatar(page, "a.state") == "resting"


ASKED, LOADED = "MediaDevices.prototype.getUserMedia", "AudioWorklet.prototype.addModule"


@pytest.mark.parametrize(
    ("fails", "name", "sentence"),
    [
        (ASKED, "NotAllowedError", "The microphone was not allowed; allow it in the address bar."),
        (ASKED, "NotFoundError", "There is no microphone; connect one."),
        (
            ASKED,
            "NotReadableError",
            "Another program has the microphone; close that, and try again.",
        ),
        (ASKED, "OtherError", "There is no microphone: OtherError: not now"),
        (LOADED, "AbortError", "What hears the microphone could not be loaded; try again."),
    ],
)
def test_a_microphone_that_is_not_given(
    page: Any, url: str, fails: str, name: str, sentence: str
) -> None:
    page.add_init_script(f"{fails} = () => Promise.reject(new DOMException('not now', '{name}'));")
    page.goto(url)
    wait_for(page, "resting")
    page.click("#listen")
    page.wait_for_selector("#fault:not([hidden])")
    assert page.text_content("#fault") == sentence
    assert of_avatar(page, "a.state === 'resting' && a.microphone === null")


def test_where_nothing_can_be_recorded_it_is_said(page: Any, url: str) -> None:
    page.add_init_script("MediaRecorder.prototype.start = () => { throw new Error('cannot'); };")
    page.goto(url)
    wait_for(page, "resting")
    page.click("#record")
    page.wait_for_selector("#fault:not([hidden])")
    assert page.text_content("#fault") == (
        "This browser cannot record; the page speaks all the same."
    )
    assert page.text_content("#record") == "Record"
    assert of_avatar(page, "a.state") == "resting"


def test_the_microphone_may_break_in_upon_a_file_and_a_file_upon_it(
    page: Any, folder: Path, url: str
) -> None:
    page.goto(url)
    wait_for(page, "resting")
    page.set_input_files("#file", folder / "speech.wav")
    until(page, "a.speech && a.speech.base !== null")
    page.click("#listen")
    wait_for(page, "listening")
    until(page, "a.speech?.constructor.name === 'MicrophoneSpeech' && a.figures.delayMs > 0")
    page.set_input_files("#file", folder / "speech.wav")
    wait_for(page, "speaking")
    assert of_avatar(page, "a.microphone === null")
    wait_for(page, "resting")


def test_whoever_wants_little_motion_sees_none_at_rest(page: Any, folder: Path, url: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(url)
    wait_for(page, "resting")
    until(page, "a.screen.shown > 2")
    still = of_avatar(page, PIXELS)
    shown = of_avatar(page, "a.screen.shown")
    until(page, f"a.screen.shown > {shown} + 10")
    assert of_avatar(page, PIXELS) == still
    page.set_input_files("#file", folder / "speech.wav")
    until(page, "a.speech && a.speech.base !== null")
    until(page, f"{PIXELS} !== '{still}'")

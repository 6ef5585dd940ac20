"""A text that is typed into the page is said, and heard with its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.page import PICTURES, free_port, of_avatar, server, until, wait_for
from support.programs import install

pytest_plugins = ["support.page_fixtures"]
pytestmark = pytest.mark.waiting

RATE_HZ = 16_000
WORD_S = 0.5
AT_48_KHZ = """
    globalThis.AudioContext = class extends AudioContext {
        constructor(options) { super({ ...options, sampleRate: 48000 }); }
    };
"""
"""As most devices are."""
DECODING_LATE = """
    globalThis.AudioDecoder = class extends AudioDecoder {
        constructor({ output, error }) {
            super({ output: (data) => setTimeout(output, 1500, data), error });
        }
        async flush() {
            await super.flush();
            await new Promise((resolve) => setTimeout(resolve, 1500));
        }
    };
"""
"""As where the machine is full: all of a short text has come before any of it is decoded."""
KEEP = "(kept = {speech: a.speech, text: a.texts.all[0]}, true)"
"""For what is asked later, when they may be over."""
LIKENESS = f"""(pieces => {{
        let both = 0, ours = 0, theirs = 0;
        for (const piece of pieces) piece.samples.forEach((heard, i) => {{
            const hum = Math.sin((piece.start + i) * {RATE_HZ} / a.sound.sampleRate / 20);
            both += heard * hum, ours += heard * heard, theirs += hum * hum;
        }});
        return both / Math.sqrt(ours * theirs);
    }})(kept.speech.voice.pieces)
"""
"""How like the hum of the program what is heard is, and each sample in its place: 1 is the same."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install a flite that hums half a second for each word, and nothing else that speaks.

    It keeps what it was told in a folder that is given.
    """
    home = tmp_path_factory.mktemp("talker")
    folder = home / "told"
    folder.mkdir()
    hum = home / "hum.py"
    hum.write_text(
        "import math, struct, sys, wave\n"
        "words = len(sys.stdin.read().split())\n"
        "with wave.open(sys.argv[1], 'wb') as file:\n"
        f"    file.setparams((1, 2, {RATE_HZ}, 0, 'NONE', ''))\n"
        f"    for i in range(int(words * {WORD_S} * {RATE_HZ})):\n"
        "        file.writeframesraw(struct.pack('<h', int(9000 * math.sin(i / 20))))\n"
    )
    script = (
        "[ $1 = -lv ] && echo 'Voices available: slt rms' && exit\n"
        f'text=$(cat)\nprintf "%s" "$2:$text" >"{folder}/$$"\n'
        f'printf "%s" "$text" | python3 "{hum}" "$6"'
    )
    with pytest.MonkeyPatch.context() as patch:
        install(home, "flite", script, patch)
        patch.setenv("VISEME_SERVE_SPEECH__SYNTHESIZER", "flite")
        yield folder


@pytest.fixture
def talker(told: Path) -> Path:
    """What the program was told in this test."""
    for text in told.iterdir():
        text.unlink()
    return told


@pytest.fixture(scope="module")
def url(folder: Path, told: Path) -> Iterator[str]:
    """The page of a server that has the program to speak with."""
    with server(folder, 0) as address:
        yield address


def say(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def words_told(told: Path) -> list[str]:
    return sorted(path.read_text() for path in told.iterdir())


@pytest.mark.parametrize("form", ["opus", "opus, late", "s16"])
def test_a_text_is_said(page: Any, url: str, talker: Path, form: str) -> None:
    page.add_init_script(AT_48_KHZ)
    if form == "opus, late":
        page.add_init_script(DECODING_LATE)
    if form == "s16":  # as in a browser that decodes no sound
        page.add_init_script("delete globalThis.AudioDecoder")
    page.goto(url)
    wait_for(page, "resting")
    page.wait_for_selector("#texts:not([hidden])")
    assert page.eval_on_selector_all("#voice option", "all => all.map(o => o.value)") == [
        "slt",
        "rms",
    ]
    assert not page.is_visible("#silent")
    page.select_option("#voice", "rms")
    say(page, "one two three four")
    wait_for(page, "speaking")
    assert page.input_value("#text") == ""
    until(page, f"a.speech && a.speech.base !== null && a.texts.all.length > 0 && {KEEP}")
    page.screenshot(path=PICTURES / "saying.png")
    # What is given to the loudspeaker joins to a sample, and the pictures follow it.
    until(page, "kept.text.end !== null")
    until(page, "a.texts.reader.decoders.size === 0")
    assert of_avatar(page, "a.texts.reader.form") == form.split(",", maxsplit=1)[0]
    assert of_avatar(page, LIKENESS) > 0.97
    said = of_avatar(
        page,
        "(({base, voice}) => ({gaps: voice.pieces.slice(1).map((piece, i) => piece.start -"
        " voice.pieces[i].start - voice.pieces[i].samples.length),"
        " end: voice.end, rate: a.sound.sampleRate, offset: base - voice.zero}))(kept.speech)",
    )
    assert set(said["gaps"]) <= {0}
    assert said["end"] == pytest.approx(4 * WORD_S * said["rate"], abs=2)
    assert said["offset"] == 0
    wait_for(page, "resting")
    assert of_avatar(page, "a.line.position") == said["end"]
    assert of_avatar(page, "Number.isNaN(a.figures.delayMs)")  # it is that of the microphone
    assert words_told(talker) == ["rms:one two three four"]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=PICTURES / "saying-phone.png", full_page=True)


def test_texts_follow_each_other_and_sound_follows_them(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    say(page, "one two")
    say(page, "three")
    # At once: where the machine is full, the first may be over before the state has been read.
    assert of_avatar(page, "a.state === 'speaking' && a.texts.all.length === 2")
    wait_for(page, "resting")
    rate = of_avatar(page, "a.sound.sampleRate")
    assert of_avatar(page, "a.line.position") == pytest.approx(3 * WORD_S * rate, abs=4)
    page.set_input_files("#file", folder / "speech.wav")
    wait_for(page, "speaking")
    wait_for(page, "resting")
    assert of_avatar(page, "a.line.position") == pytest.approx(4.5 * rate, abs=8)


def test_a_text_can_be_broken_off_by_a_file(page: Any, folder: Path, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    say(page, "one two three four five six seven eight nine ten")
    until(page, "a.speech && a.speech.base !== null")
    page.click("#interrupt")
    wait_for(page, "resting")
    assert of_avatar(page, "a.texts.all.length === 0 && a.speech === null")
    say(page, "one two three four five six seven eight nine ten")
    until(page, "a.speech && a.speech.base !== null")
    page.set_input_files("#file", folder / "speech.wav")
    until(page, "a.speech?.constructor.name === 'FileSpeech' && a.speech.base !== null")
    # Where the line stands is the server's to say, and the pictures are those of the file.
    until(page, "a.line.interrupts === 0")
    assert of_avatar(
        page, "a.speech.start > 0 && a.line.position === a.speech.start + a.speech.sent"
    )
    wait_for(page, "resting")


def test_a_text_is_said_again_when_the_server_comes_back(
    page: Any, folder: Path, talker: Path
) -> None:
    port = free_port()
    with server(folder, port) as url:
        page.goto(url)
        wait_for(page, "resting")
        say(page, "one two three four five six")
        until(page, "a.speech && a.speech.base !== null")
    wait_for(page, "lost")
    say(page, "and seven")
    with server(folder, port):
        wait_for(page, "speaking")
        wait_for(page, "resting")
    assert words_told(talker) == ["slt:and seven", *["slt:one two three four five six"] * 2]


def test_a_text_takes_the_place_of_the_microphone(page: Any, url: str) -> None:
    page.goto(url)
    wait_for(page, "resting")
    page.click("#listen")
    until(page, "a.speech && a.speech.base !== null")
    say(page, "one two")
    wait_for(page, "speaking")
    assert of_avatar(page, "a.microphone === null")
    wait_for(page, "resting")
    page.click("#listen")
    until(page, "a.speech && a.speech.base !== null")
    wait_for(page, "listening")


def test_a_program_that_fails_is_said(
    page: Any, folder: Path, tmp_path: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "[ $1 = -lv ] && echo 'Voices available: slt' && exit\necho Broken >&2; exit 1"
    install(tmp_path, "flite", script, monkeypatch)
    with server(folder, 0) as url:
        page.goto(url)
        wait_for(page, "resting")
        assert not page.is_visible("#voice")
        say(page, "one")
        page.wait_for_selector("#fault:not([hidden])")
        assert page.text_content("#fault") == "flite has failed (Broken)."
        wait_for(page, "resting")


def test_without_a_voice_the_page_says_why(
    page: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISEME_SERVE_SPEECH__SYNTHESIZER", "none")
    with server(folder, 0) as url:
        page.goto(url)
        wait_for(page, "resting")
        page.wait_for_selector("#silent:not([hidden])")
        assert not page.is_visible("#texts")
        assert page.text_content("#silent").startswith("Texts cannot be said here, since the")
        page.screenshot(path=PICTURES / "no-voice.png")

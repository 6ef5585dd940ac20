"""A package of somebody else's adds a synthesizer by an entry point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from viseme.errors import VoiceError
from viseme.voices import FakeSynthesizer, VoiceSettings, find_speaker

SOURCE = """
import numpy as np
from viseme.voices import FakeSynthesizer

def hum(settings):
    return FakeSynthesizer(lambda text, voice, stop: [np.full(len(text), 0.5, np.float32)],
                           voices=["low", "high"], rate_hz=8000)

def nothing(settings):
    return settings.timeout_s

def broken(settings):
    raise RuntimeError("no key")
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "humming.py").write_text(SOURCE)
    about = tmp_path / "humming-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: humming\nVersion: 1.0\n")
    names = ("hum", "nothing", "broken")
    lines = "".join(f"{name} = humming:{name}\n" for name in names)
    (about / "entry_points.txt").write_text(f"[viseme.voices]\n{lines}")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_plug_in_is_used_where_it_is_named() -> None:
    found = find_speaker("hum", voice="high")
    assert found is not None
    assert found.voices == ("high", "low")
    (sound,) = found.speak(found.utterance("Hello"))
    assert sound.rate_hz == 8000
    assert sound.samples.tolist() == [0.5] * 5
    best = find_speaker()
    assert best is None or best.name != "fake"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "The entry point 'nothing' of viseme.voices gives no Synthesizer."),
        ("broken", "The synthesizer 'broken' cannot be loaded (no key)."),
        (
            "huh",
            "There is no synthesizer 'huh'; there are broken, espeak-ng, flite, hum, nothing, "
            "piper, auto and none.",
        ),
    ],
)
def test_plug_ins_that_are_none(name: str, sentence: str) -> None:
    with pytest.raises(VoiceError) as refused:
        find_speaker(name)
    assert str(refused.value) == sentence


def test_a_fake_says_what_it_is_given() -> None:
    made = FakeSynthesizer(lambda text, voice, stop: [np.zeros(3, np.float32)])
    assert made.voices() == ("fake",)
    assert VoiceSettings().models == ()

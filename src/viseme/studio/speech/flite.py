"""Speech from flite, whose voices awb, kal16, rms and slt tell the time of every phone.

``flite -psdur`` prints ``phone:end_s`` for each segment of the sentence. Measured against the sound
(sibilance, voicing and silence, cross-correlated in both halves of the sentence, at three speeds):
the times hold within 3 ms for awb and rms and lag by 3 to 7 ms for kal16 and slt, without drift.
That is a sixth of a frame at most, so no voice is corrected. Only the last silence differs: kal16
leaves out its second half (0.09 to 0.15 s), the others 3 ms, so the last phone ends with the sound.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from viseme.errors import MissingExtraError, VisemeError
from viseme.studio.speech.phones import from_flite
from viseme.studio.speech.sound import read_wave, to_16_khz
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Utterance

__all__ = ["FLITE_HELD_OUT_VOICE", "FLITE_TRAINING_VOICES", "speak_with_flite"]

FLITE_TRAINING_VOICES = ("awb", "kal16", "rms")
FLITE_HELD_OUT_VOICE = "slt"
TIMEOUT_S = 60.0


def speak_with_flite(
    text: str, voice: str, *, stretch: float = 1.0, pitch_hz: float | None = None
) -> Utterance:
    """Speak one sentence.

    `stretch` scales all durations (1.2 is a fifth slower); `pitch_hz` replaces the voice's own mean
    pitch. Raises MissingExtraError where flite is not installed.
    """
    options = ["-voice", voice, "-psdur", "--setf", f"duration_stretch={stretch:.3f}"]
    if pitch_hz is not None:
        options += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}"]
    with tempfile.TemporaryDirectory(prefix="viseme-flite-") as folder:
        wave = Path(folder) / "speech.wav"
        printed = _run(["flite", *options, "-t", text, "-o", str(wave)])
        samples = to_16_khz(*read_wave(wave))
    end_s = len(samples) / SAMPLE_RATE_HZ
    return Utterance(samples, _phones(printed, end_s), f"flite/{voice}", text)


def _run(command: list[str]) -> str:
    """Run flite and return what it printed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except FileNotFoundError as error:
        raise MissingExtraError(
            "The speech program flite is not installed; install Debian's package flite."
        ) from error
    except subprocess.SubprocessError as error:
        raise VisemeError(f"flite could not speak {command[-3]!r}: {error}.") from error
    return done.stdout


def _phones(printed: str, sound_end_s: float) -> tuple[Phone, ...]:
    """Read ``pau:0.164 hh:0.255 ...`` and end the last phone with the sound."""
    phones: list[Phone] = []
    start_s = 0.0
    for segment in printed.split():
        name, _, end = segment.rpartition(":")
        end_s = min(float(end), sound_end_s)
        if end_s > start_s:
            phones.append(Phone(from_flite(name), start_s, end_s))
            start_s = end_s
    if not phones:
        raise VisemeError("flite named no phones; use Debian's flite 2.2.")
    phones[-1] = phones[-1]._replace(end_s=sound_end_s)
    return tuple(phones)

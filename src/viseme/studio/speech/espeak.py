"""Speech from espeak-ng, a formant synthesiser: many voices, any speed, every phone's time.

The program does not print phone times, but its library reports them as events beside the samples.
It speaks in a process of its own, see `espeak_child.py`.

Measured against the sound of three voices at three speeds: sibilants have no lag, and b, d, g, m
and n begin where their voiced closure does, to within 10 ms. Only p, t, k and ch are reported at
their burst, the silence of the closure counting as part of the phone before: about 50 ms of it at
120 words a minute, 40 at 160, 30 at 210. Lips close with the silence, so these phones are begun
that much earlier. Afterwards, over all training voices at 160 words a minute, a voice's median lag
is at most 13 ms for vowels and 17 ms for silences, mostly under 8, always on the early side.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from viseme.errors import MissingExtraError, VisemeError
from viseme.studio.speech import espeak_child
from viseme.studio.speech.phones import SILENCE, from_espeak
from viseme.studio.speech.sound import to_16_khz
from viseme.studio.speech.utterance import Phone, Utterance

__all__ = ["ESPEAK_TRAINING_VOICES", "EspeakManner", "speak_with_espeak"]

TIMEOUT_S = 60.0
VOICELESS_STOPS = frozenset({"p", "t", "k", "ch"})
CLOSURE_S_AT_ONE_WORD_PER_MINUTE = 6.1
"""Silent closure of a voiceless stop; it shrinks in proportion to the speed."""

ESPEAK_TRAINING_VOICES = tuple(
    f"{language}+{variant}"
    for language, variants in {
        "en-us": ("m1", "m3", "m7", "f1", "f2", "f5", "Andy", "Annie"),
        "en": ("m2", "m4", "m8", "f3", "f4", "Michael", "linda"),
        "en-gb-scotland": ("m5", "m6", "f2", "f4"),
        "en-gb-x-rp": ("m1", "f3"),
    }.items()
    for variant in variants
)
"""Languages ("en" is British) and timbres; whispering and robotic ones are left out."""


@dataclass(frozen=True, slots=True)
class EspeakManner:
    """How a voice speaks."""

    words_per_minute: int = 160
    pitch: int = 50
    """0..100, 50 is the voice's own."""
    pitch_range: int = 50
    """0 monotone .. 100 lively."""


def speak_with_espeak(text: str, voice: str, manner: EspeakManner | None = None) -> Utterance:
    """Speak one sentence with a voice such as ``en-us+f2``.

    Raises MissingExtraError where espeak-ng is not installed.
    """
    manner = manner or EspeakManner()
    parameters = (manner.words_per_minute, manner.pitch, manner.pitch_range)
    printed = _run([text, voice, *(str(value) for value in parameters)])
    header, _, data = printed.partition(b"\n")
    told = json.loads(header)
    rate_hz: int = told["rate_hz"]
    pcm = np.frombuffer(data, np.int16)
    closure_s = CLOSURE_S_AT_ONE_WORD_PER_MINUTE / manner.words_per_minute
    phones = _phones(told["events"], len(pcm) / rate_hz, rate_hz, closure_s)
    return Utterance(to_16_khz(pcm, rate_hz), phones, f"espeak/{voice}", text)


def _run(arguments: list[str]) -> bytes:
    """Run the child process and return what it printed."""
    child = Path(espeak_child.__file__)
    command = [sys.executable, "-I", "-S", str(child), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise VisemeError(f"espeak-ng did not finish speaking {arguments[0]!r}.") from error
    text, voice, *_ = arguments
    if done.returncode == espeak_child.EXIT_NO_LIBRARY:
        raise MissingExtraError(
            "The speech library libespeak-ng is not installed; install Debian's package espeak-ng."
        )
    if done.returncode == espeak_child.EXIT_NO_DATA:
        raise MissingExtraError(
            "espeak-ng did not find its voices; install Debian's package espeak-ng-data."
        )
    if done.returncode == espeak_child.EXIT_NO_VOICE:
        raise VisemeError(f"espeak-ng has no voice {voice!r}; see `espeak-ng --voices`.")
    if done.returncode != 0:
        raise VisemeError(f"espeak-ng could not speak {text!r}.")
    return done.stdout


def _phones(
    events: list[tuple[int, str]], end_s: float, rate_hz: int, closure_s: float
) -> tuple[Phone, ...]:
    """Turn the starts of phones (in samples) into phones that fill the sound."""
    phones = [Phone(SILENCE, 0.0, end_s)]
    for sample, mnemonic in events:
        start_s = sample / rate_hz
        symbols = from_espeak(mnemonic)
        if not symbols or start_s >= end_s:
            continue
        if symbols[0] in VOICELESS_STOPS:
            start_s = _closure_start(phones[-1], start_s, closure_s)
        phones[-1] = phones[-1]._replace(end_s=start_s)
        phones.extend(Phone(symbol, start_s, end_s) for symbol in symbols)
    return _joined(_shared_out(phones))


def _closure_start(before: Phone, burst_s: float, closure_s: float) -> float:
    """Return when the silence before a burst begins: at most half of the phone before."""
    return max(burst_s - closure_s, (before.start_s + burst_s) / 2)


def _shared_out(phones: list[Phone]) -> list[Phone]:
    """Let phones that begin together (from one mnemonic) share their time in equal parts."""
    shared: list[Phone] = []
    for start_s, group in groupby(phones, key=lambda phone: phone.start_s):
        together = list(group)
        step_s = (together[-1].end_s - start_s) / len(together)
        shared += [
            Phone(phone.symbol, start_s + i * step_s, start_s + (i + 1) * step_s)
            for i, phone in enumerate(together)
        ]
    return [phone for phone in shared if phone.end_s > phone.start_s]


def _joined(phones: list[Phone]) -> tuple[Phone, ...]:
    """Join silences that follow each other."""
    joined: list[Phone] = []
    for phone in phones:
        if joined and joined[-1].symbol == phone.symbol == SILENCE:
            joined[-1] = joined[-1]._replace(end_s=phone.end_s)
        else:
            joined.append(phone)
    return tuple(joined)

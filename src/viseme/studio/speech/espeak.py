"""Speech from espeak-ng, a formant synthesiser: many voices, any speed, every phone's time.

The program does not print phone times, but its library reports them as events beside the samples.
The library keeps one global state per process, so one lock guards it.

Measured against the sound, at three speeds: sibilants begin within a millisecond of their event,
and b, d, g, m and n where their voiced closure does. Only p, t, k and ch are reported at their
burst, the silence of the closure counting as part of the phone before: 50 ms of it at 120 words a
minute, 38 at 160, 29 at 210. Lips close with the silence, so these phones are begun that much
earlier. What is left of a lag then is under 8 ms for vowels, and under 16 ms for silences.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viseme.errors import MissingExtraError, VisemeError
from viseme.studio.speech.phones import SILENCE, from_espeak
from viseme.studio.speech.sound import to_16_khz
from viseme.studio.speech.utterance import Phone, Utterance

__all__ = ["ESPEAK_TRAINING_VOICES", "EspeakManner", "speak_with_espeak"]

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

# From speak_lib.h of espeak-ng.
_SYNCHRONOUS = 2
_PHONEME_EVENTS = 0x0001
_DO_NOT_EXIT = 0x8000
_EVENT_LIST_END = 0
_EVENT_PHONEME = 7
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_PARAMETER_RANGE = 4
_UTF8 = 1


@dataclass(frozen=True, slots=True)
class EspeakManner:
    """How a voice speaks."""

    words_per_minute: int = 160
    pitch: int = 50
    """0..100, 50 is the voice's own."""
    pitch_range: int = 50
    """0 monotone .. 100 lively."""


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("text", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Library:
    """The loaded library and the sentence it is speaking."""

    def __init__(self) -> None:
        try:
            self._dll: Any = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as error:
            raise MissingExtraError(
                "The speech library libespeak-ng is not installed; "
                "install Debian's package espeak-ng."
            ) from error
        self.rate_hz: int = self._dll.espeak_Initialize(
            _SYNCHRONOUS, 0, None, _PHONEME_EVENTS | _DO_NOT_EXIT
        )
        if self.rate_hz <= 0:
            raise MissingExtraError(
                "espeak-ng did not find its voices; install Debian's package espeak-ng-data."
            )
        self._lock = threading.Lock()
        self._pieces: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _Callback(self._receive)  # kept: the library holds no reference to it
        self._dll.espeak_SetSynthCallback(self._callback)

    def speak(
        self, text: str, voice: str, manner: EspeakManner
    ) -> tuple[NDArray[np.int16], list[tuple[int, str]]]:
        """Return the sound, int16 [n] at `rate_hz`, and (sample, mnemonic) where phones start."""
        with self._lock:
            self._pieces, self._events = [], []
            if self._dll.espeak_SetVoiceByName(voice.encode()) != 0:
                raise VisemeError(f"espeak-ng has no voice {voice!r}; see `espeak-ng --voices`.")
            for parameter, value in (
                (_PARAMETER_RATE, manner.words_per_minute),
                (_PARAMETER_PITCH, manner.pitch),
                (_PARAMETER_RANGE, manner.pitch_range),
            ):
                self._dll.espeak_SetParameter(parameter, value, 0)
            data = text.encode()
            failed = self._dll.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
            if failed or not self._pieces:
                raise VisemeError(f"espeak-ng could not speak {text!r}.")
            return np.concatenate(self._pieces), self._events

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        """Take a block of samples and its events; 0 tells the library to go on."""
        for event in iter(_events_until_end(events)):
            if event.type == _EVENT_PHONEME:
                self._events.append((event.sample, event.id.text.decode("latin-1")))
        if wave and count > 0:
            self._pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0


def _events_until_end(events: Any) -> list[Any]:
    """Return the events of a list that ends with one of type 0."""
    found: list[Any] = []
    while events[len(found)].type != _EVENT_LIST_END:
        found.append(events[len(found)])
    return found


@cache
def _library() -> _Library:
    return _Library()


def speak_with_espeak(text: str, voice: str, manner: EspeakManner | None = None) -> Utterance:
    """Speak one sentence with a voice such as ``en-us+f2``.

    Raises MissingExtraError where espeak-ng is not installed.
    """
    manner = manner or EspeakManner()
    library = _library()
    pcm, events = library.speak(text, voice, manner)
    samples = to_16_khz(pcm, library.rate_hz)
    closure_s = CLOSURE_S_AT_ONE_WORD_PER_MINUTE / manner.words_per_minute
    phones = _phones(events, len(pcm), library.rate_hz, closure_s)
    return Utterance(samples, phones, f"espeak/{voice}", text)


def _phones(
    events: list[tuple[int, str]], end: int, rate_hz: int, closure_s: float
) -> tuple[Phone, ...]:
    """Turn the starts of phones (in samples) into phones that fill the sound."""
    phones = [Phone(SILENCE, 0.0, end / rate_hz)]
    for sample, mnemonic in events:
        start_s = sample / rate_hz
        symbols = from_espeak(mnemonic)
        if not symbols or start_s >= end / rate_hz:
            continue
        if symbols[0] in VOICELESS_STOPS:
            start_s = _closure_start(phones[-1], start_s, closure_s)
        phones[-1] = phones[-1]._replace(end_s=start_s)
        phones.extend(Phone(symbol, start_s, end / rate_hz) for symbol in symbols)
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

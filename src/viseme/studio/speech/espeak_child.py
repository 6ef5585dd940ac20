"""Speaks one sentence with libespeak-ng and ends; run as a program by `espeak.py`.

The library keeps its state from sentence to sentence, even across voices, so the same sentence
sounds a little different each time. In a process of its own it always sounds the same. Only the
standard library is imported here, which makes a fresh process cheap.

Arguments: text, voice, words a minute, pitch, pitch range. On standard output: one line of JSON,
``{"rate_hz": ..., "events": [[sample, mnemonic], ...]}``, then the samples, int16, mono.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

EXIT_NO_LIBRARY = 11
EXIT_NO_DATA = 12
EXIT_NO_VOICE = 13
EXIT_NO_SPEECH = 14

# From speak_lib.h of espeak-ng.
SYNCHRONOUS = 2
PHONEME_EVENTS = 0x0001
DO_NOT_EXIT = 0x8000
EVENT_LIST_END = 0
EVENT_PHONEME = 7
PARAMETER_RATE = 1
PARAMETER_PITCH = 3
PARAMETER_RANGE = 4
UTF8 = 1


class EventId(ctypes.Union):
    """What an event is about; a phoneme's mnemonic has up to 8 bytes."""

    _fields_ = (("number", ctypes.c_int), ("text", ctypes.c_char * 8))


class Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", EventId),
    )


Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)


def main(text: str, voice: str, *parameters: str) -> int:
    """Speak, print, and return the exit code."""
    try:
        library: Any = ctypes.CDLL("libespeak-ng.so.1")
    except OSError:
        return EXIT_NO_LIBRARY
    rate_hz: int = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS | DO_NOT_EXIT)
    if rate_hz <= 0:
        return EXIT_NO_DATA
    # The breath of some voices is noise; from version 1.52 on its seed is the time of day.
    if hasattr(library, "espeak_ng_SetRandSeed"):
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    pieces: list[bytes] = []
    events: list[tuple[int, str]] = []

    def receive(wave: Any, count: int, reported: Any) -> int:
        """Take a block of samples and its events; 0 tells the library to go on."""
        position = 0
        while (event := reported[position]).type != EVENT_LIST_END:
            if event.type == EVENT_PHONEME:
                events.append((event.sample, event.id.text.decode("latin-1")))
            position += 1
        if wave and count > 0:
            pieces.append(ctypes.string_at(wave, 2 * count))
        return 0

    callback = Callback(receive)  # kept in a variable: the library holds no reference to it
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        return EXIT_NO_VOICE
    for parameter, value in zip(
        (PARAMETER_RATE, PARAMETER_PITCH, PARAMETER_RANGE), parameters, strict=True
    ):
        library.espeak_SetParameter(parameter, int(value), 0)
    data = text.encode()
    failed = library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF8, None, None)
    if failed or not pieces:
        return EXIT_NO_SPEECH
    header = json.dumps({"rate_hz": rate_hz, "events": events})
    sys.stdout.buffer.write(header.encode() + b"\n" + b"".join(pieces))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

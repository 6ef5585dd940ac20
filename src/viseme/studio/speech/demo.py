"""The speech that ships with the project, spoken by the voice that no network was trained on."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from viseme.errors import OutputError
from viseme.studio.speech.corpus import padded
from viseme.studio.speech.flite import FLITE_HELD_OUT_VOICE, speak_with_flite
from viseme.studio.speech.texts import demo_sentences
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Samples, Utterance, shifted

__all__ = ["demo_speech", "write_demo_speech"]

PAUSE_BEFORE_S = 0.1
PAUSE_AFTER_S = 0.4
PEAK = 0.8


def demo_speech() -> Utterance:
    """Speak the demonstration's sentences, each on its own, so that there are pauses between."""
    spoken = [speak_with_flite(text, FLITE_HELD_OUT_VOICE) for text in demo_sentences()]
    samples = np.concatenate([sentence.samples for sentence in spoken])
    phones: list[Phone] = []
    start_s = 0.0
    for sentence in spoken:
        phones += shifted(sentence.phones, start_s)
        start_s += sentence.duration_s
    levelled = samples * np.float32(PEAK / np.abs(samples).max())
    text = " ".join(demo_sentences())
    speech = Utterance(levelled, tuple(phones), spoken[0].voice, text)
    return padded(speech, PAUSE_BEFORE_S, PAUSE_AFTER_S)


def write_demo_speech(path: Path) -> Utterance:
    """Write the demonstration's speech as 16-bit FLAC, 16 kHz mono, and return it.

    Raises OutputError where the file cannot be written.
    """
    speech = demo_speech()
    unfinished = path.with_name(f"{path.name}.part")
    try:
        _write_flac(speech.samples, unfinished)
        unfinished.replace(path)
    except OSError as error:  # PyAV's own errors are OSErrors, too
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"The speech cannot be written to {path}: {error.strerror}.") from error
    return speech


def _write_flac(samples: Samples, path: Path) -> None:
    pcm = np.rint(samples * 32767).astype(np.int16)
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        stream.options = {"compression_level": "12"}
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.rate = SAMPLE_RATE_HZ
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)

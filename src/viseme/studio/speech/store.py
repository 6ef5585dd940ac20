"""A corpus on disk: all sound in one raw file, all that is known of it in a JSON file.

::

    corpus.json    {"format": 1, "recipe": ..., "utterances": [{"voice", "text", "first", "count",
                    "phones": [["pau", 0.0, 0.16], ...]}, ...]}
    samples.s16    int16, little-endian, 16 kHz, mono; an utterance is [first, first + count)

The JSON file is written last and by renaming, so a corpus is there as a whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from viseme.errors import OutputError
from viseme.studio.speech.sound import from_pcm
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Utterance

__all__ = ["Corpus", "open_corpus", "write_corpus"]

FORMAT = 1
INDEX_NAME = "corpus.json"
SAMPLES_NAME = "samples.s16"


class Corpus(Sequence[Utterance]):
    """Utterances on disk; the sound is mapped into memory and read as it is asked for."""

    def __init__(self, index: dict[str, Any], samples: NDArray[np.int16]) -> None:
        self._entries: list[dict[str, Any]] = index["utterances"]
        self._samples = samples
        self.recipe: str = index["recipe"]
        """What it was made from; another recipe makes another corpus."""

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | list[Utterance]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        entry = self._entries[index]
        pcm = self._samples[entry["first"] : entry["first"] + entry["count"]]
        phones = tuple(Phone(*phone) for phone in entry["phones"])
        return Utterance(from_pcm(pcm), phones, entry["voice"], entry["text"])

    @property
    def duration_s(self) -> float:
        """Length of all sound in seconds."""
        return len(self._samples) / SAMPLE_RATE_HZ

    def seconds_by_voice(self) -> dict[str, float]:
        """Return how long each voice speaks, pauses included."""
        seconds: dict[str, float] = {}
        for entry in self._entries:
            voice = entry["voice"]
            seconds[voice] = seconds.get(voice, 0.0) + entry["count"] / SAMPLE_RATE_HZ
        return seconds


def open_corpus(folder: Path, recipe: str) -> Corpus | None:
    """Open the corpus in `folder`, or return None where there is none of this recipe."""
    try:
        index = json.loads((folder / INDEX_NAME).read_text("utf-8"))
        if index["format"] != FORMAT or index["recipe"] != recipe:
            return None
        samples = np.memmap(folder / SAMPLES_NAME, "<i2", "r")
        complete = len(samples) == sum(entry["count"] for entry in index["utterances"])
        return Corpus(index, samples) if complete else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, unfinished or damaged: the caller makes it anew


def write_corpus(folder: Path, recipe: str, utterances: Iterable[Utterance]) -> Corpus:
    """Write the utterances, one at a time, and open the result.

    Raises OutputError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX_NAME).unlink(missing_ok=True)  # from here on the old one is gone
        entries = []
        with (folder / SAMPLES_NAME).open("wb") as file:
            first = 0
            for utterance in utterances:
                file.write(_to_pcm(utterance).tobytes())
                entries.append(_entry(utterance, first))
                first += len(utterance.samples)
        index = {"format": FORMAT, "recipe": recipe, "utterances": entries}
        unfinished = folder / f"{INDEX_NAME}.part"
        unfinished.write_text(json.dumps(index), "utf-8")
        unfinished.replace(folder / INDEX_NAME)
    except OSError as error:
        raise OutputError(
            f"The training speech cannot be written to {folder}: {error.strerror}."
        ) from error
    corpus = open_corpus(folder, recipe)
    if corpus is None:
        raise OutputError(f"The training speech in {folder} cannot be read back; check the disk.")
    return corpus


def _to_pcm(utterance: Utterance) -> NDArray[np.int16]:
    scaled = np.rint(utterance.samples * 32768)
    return np.clip(scaled, -32768, 32767).astype("<i2")


def _entry(utterance: Utterance, first: int) -> dict[str, Any]:
    return {
        "voice": utterance.voice,
        "text": utterance.text,
        "first": first,
        "count": len(utterance.samples),
        "phones": [list(phone) for phone in utterance.phones],
    }

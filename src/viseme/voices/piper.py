"""Piper: neural voices, whose files the operator has."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from viseme.errors import VoiceError
from viseme.voices.program import run_program
from viseme.voices.settings import VoiceSettings
from viseme.voices.stop import Stop
from viseme.voices.synthesizer import Sound, Synthesizer
from viseme.voices.wave import sound_of_pcm

__all__ = ["Piper"]


class Piper(Synthesizer):
    """The program piper, or the Python package of that name, which prints sentence by sentence."""

    name = "piper"

    def __init__(self, settings: VoiceSettings) -> None:
        self._timeout_s = settings.timeout_s
        self._models = {model.stem: model for model in settings.models}

    def voices(self) -> tuple[str, ...]:
        """Give the voices of the model files, by the names of these.

        Raises:
            VoiceError: there are model files that cannot be used, or no program for them.
        """
        if not self._models:
            return ()
        if not _command():
            raise VoiceError(
                "There are models of voices for Piper, but Piper is not installed; install it "
                "(pip install piper-tts), or take the models out of the configuration."
            )
        for model in self._models.values():
            _rate_hz(model)
        return tuple(self._models)

    def speak(self, text: str, voice: str, stop: Stop) -> Generator[Sound, None, None]:
        """Give the sound sentence by sentence."""
        model = self._models[voice]
        command = [*_command(), "--model", str(model), "--output-raw"]
        running = run_program(command, text, name=self.name, timeout_s=self._timeout_s, stop=stop)
        with closing(running) as blocks:
            yield from sound_of_pcm(blocks, _rate_hz(model))


def _command() -> Sequence[str]:
    """Give what starts Piper; nothing where it is not installed."""
    if shutil.which("piper") is not None:
        return ["piper"]
    return [sys.executable, "-m", "piper"] if find_spec("piper") is not None else []


def _rate_hz(model: Path) -> int:
    """Read at which rate a voice speaks.

    Raises:
        VoiceError: the model's files are not there, or are no voice.
    """
    about = model.with_name(f"{model.name}.json")
    try:
        with model.open("rb"):
            pass
        rate_hz = json.loads(about.read_text("utf-8"))["audio"]["sample_rate"]
    except OSError as error:
        raise VoiceError(
            f"The voice {error.filename} cannot be read: {error.strerror}; Piper's voices are "
            "two files, such as amy.onnx and amy.onnx.json."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise VoiceError(f"{about} does not describe a voice of Piper's.") from error
    if not isinstance(rate_hz, int) or not 1_000 <= rate_hz <= 192_000:
        raise VoiceError(f"{about} says that the voice speaks at {rate_hz!r} Hz.")
    return rate_hz

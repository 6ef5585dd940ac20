"""Finds the synthesizer that a server is to speak with."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final

from viseme.errors import VoiceError
from viseme.voices.espeak import Espeak
from viseme.voices.flite import Flite
from viseme.voices.piper import Piper
from viseme.voices.settings import VoiceSettings
from viseme.voices.speaker import Speaker
from viseme.voices.synthesizer import Synthesizer

__all__ = ["BUILT_IN", "PLUG_INS", "find_speaker"]

PLUG_INS: Final = "viseme.voices"
"""The group of entry points by which packages add synthesizers."""
BUILT_IN: Final[dict[str, Callable[[VoiceSettings], Synthesizer]]] = {
    Piper.name: Piper,
    Espeak.name: Espeak,
    Flite.name: Flite,
}
"""The best first."""


def find_speaker(
    name: str = "auto",
    *,
    voice: str = "",
    settings: VoiceSettings | None = None,
    text_characters: int = 1000,
    sound_s: float = 180.0,
) -> Speaker | None:
    """Find what to speak with.

    Args:
        name: `auto` for the best that is installed, `none` for none, or a synthesizer's name.
        voice: the one that is taken where none is asked for; the synthesizer's first if "".
        settings: for the synthesizer.
        text_characters: how long a text may be.
        sound_s: how long its sound may be.

    Returns:
        It; None where there is none and none was asked for.

    Raises:
        VoiceError: what was asked for is not there, or does not work.
    """
    if name == "none":
        return None
    settings = settings or VoiceSettings()
    for each in BUILT_IN if name == "auto" else (name,):
        synthesizer = _made(each, settings)
        voices = synthesizer.voices()
        if not voices:
            continue
        if voice and voice not in voices:
            raise VoiceError(
                f"{each} has no voice '{voice}'; among its voices are {', '.join(voices[:8])}."
            )
        ordered = (voice, *(other for other in voices if other != voice)) if voice else voices
        return Speaker(synthesizer, ordered, text_characters=text_characters, sound_s=sound_s)
    if name == "auto" and not voice:
        return None
    raise VoiceError(_missing(name, voice))


def _missing(name: str, voice: str) -> str:
    if name == "auto":
        return f"There is nothing to speak with, so there is no voice '{voice}'; install espeak-ng."
    if name == Piper.name:
        return "Piper has no voices here; name the files of some, such as amy.onnx."
    return f"{name} is not installed, or has no voices; install it."


def _made(name: str, settings: VoiceSettings) -> Synthesizer:
    if name in BUILT_IN:
        return BUILT_IN[name](settings)
    found = entry_points(group=PLUG_INS, name=name)
    if not found:
        known = sorted({*BUILT_IN, *entry_points(group=PLUG_INS).names})
        raise VoiceError(
            f"There is no synthesizer '{name}'; there are {', '.join(known)}, auto and none."
        )
    try:
        made = next(iter(found)).load()(settings)
    except Exception as error:
        raise VoiceError(f"The synthesizer '{name}' cannot be loaded ({error}).") from error
    if not isinstance(made, Synthesizer):
        raise VoiceError(f"The entry point '{name}' of {PLUG_INS} gives no Synthesizer.")
    return made

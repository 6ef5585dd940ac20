"""Makes a face speak: sound and an avatar in, a lip-synced video out.

Importing this loads nothing else: each name is fetched from its room when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from viseme._version import __version__

if TYPE_CHECKING:
    from viseme import audio
    from viseme.avatar import Avatar, list_avatars, load_avatar
    from viseme.client import AsyncClient, Client
    from viseme.engine import Inferencer
    from viseme.errors import VisemeError
    from viseme.rendering import Frame, RenderOptions, render
    from viseme.video import render_file

__all__ = [
    "AsyncClient",
    "Avatar",
    "Client",
    "Frame",
    "Inferencer",
    "RenderOptions",
    "VisemeError",
    "__version__",
    "audio",
    "list_avatars",
    "load_avatar",
    "render",
    "render_file",
]

_ROOMS = {
    "AsyncClient": "viseme.client",
    "Avatar": "viseme.avatar",
    "Client": "viseme.client",
    "Frame": "viseme.rendering",
    "Inferencer": "viseme.engine",
    "RenderOptions": "viseme.rendering",
    "VisemeError": "viseme.errors",
    "list_avatars": "viseme.avatar",
    "load_avatar": "viseme.avatar",
    "render": "viseme.rendering",
    "render_file": "viseme.video",
}


def __getattr__(name: str) -> Any:
    if name == "audio":
        return import_module("viseme.audio")
    if name not in _ROOMS:
        raise AttributeError(f"module 'viseme' has no attribute {name!r}")
    value = getattr(import_module(_ROOMS[name]), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

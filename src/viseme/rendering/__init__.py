"""The one pipeline from sound and avatar to finished frames.

The room is not called `render`, since that is the function: a package of this name would take
its place in `viseme` once imported.
"""

from viseme.rendering.options import RenderOptions
from viseme.rendering.renderer import Frame, Networks, PlanarFrame, Renderer, render
from viseme.rendering.speech import Speech
from viseme.rendering.stage import Incoming

__all__ = [
    "Frame",
    "Incoming",
    "Networks",
    "PlanarFrame",
    "RenderOptions",
    "Renderer",
    "Speech",
    "render",
]

"""The built-in avatar's drawing: a presenter whose mouth follows a `MouthPose`."""

from __future__ import annotations

from viseme.studio.presenter.motion import FRAME_COUNT, HEIGHT, WIDTH
from viseme.studio.presenter.presenter import Presenter

__all__ = ["FRAME_COUNT", "HEIGHT", "WIDTH", "Presenter"]

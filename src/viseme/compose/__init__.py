"""A prediction, a box and a frame become a finished frame."""

from viseme.compose.composer import Composer, compose, compose_planes

__all__ = ["Composer", "compose", "compose_planes"]

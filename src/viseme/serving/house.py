"""What a server's doors share, and what a door is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from viseme.serving.cast import Cast
from viseme.serving.config import Address, ServerConfig
from viseme.serving.desk import Desk
from viseme.serving.tensor_desk import TensorDesk
from viseme.voices import Speaker

__all__ = ["Door", "House"]


@dataclass(frozen=True, slots=True)
class House:
    """All that is behind the doors: open, warm, and safe from any thread."""

    config: ServerConfig
    cast: Cast
    desk: Desk
    tensors: TensorDesk
    speaker: Speaker | None = None
    """Says texts; None where there is nothing to speak with."""


class Door(Protocol):
    """A way in: it takes its addresses before anything is warmed up, and opens when all is."""

    def bind(self) -> Mapping[str, Address]:
        """Take its addresses and give them by the names of `listen`, port 0 replaced.

        Raises:
            ConfigError: an address is taken, or not of this machine.
        """

    def open(self, house: House) -> None:
        """Begin to answer."""

    def drain(self) -> None:
        """Say that the server is about to end, to those who ask how it is."""

    def close(self, grace_s: float) -> None:
        """Let running calls finish within the grace, end the rest, and free the addresses."""

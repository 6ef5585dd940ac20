"""The seam between viseme and the libraries that run networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Backend", "Tensor"]

Tensor: TypeAlias = NDArray[np.float32]
"""What goes into a network and comes out of it."""


class Backend(ABC):
    """One network, loaded and ready to run on one device.

    An implementation opens its network in its constructor, translates the errors of its library
    to those of :mod:`viseme.errors`, and may be called from many threads at once: every call has
    tensors of its own, so its result is what it would have been alone.
    """

    name: str
    """What runs the network in truth, after any fallback: ``"onnxruntime"``, ``"cuda"``, …"""
    device: str
    """``"cpu"`` or ``"gpu"``."""
    precision: str
    """In what it computes: ``"float32"``, ``"bfloat16"`` or ``"float16"``. Tensors are float32."""

    @abstractmethod
    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Run the network once.

        Args:
            inputs: a float32 array for each input's name, C-contiguous; they are not modified.

        Returns:
            The outputs in the network's order, arrays that belong to the caller.

        Raises:
            BackendError: if the library underneath fails.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the network. Calls under way finish; closing again does nothing."""

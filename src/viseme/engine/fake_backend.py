"""A back end for tests: a plain function in a network's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from viseme.engine.backend import Backend, Tensor
from viseme.errors import BackendError

__all__ = ["FakeBackend"]


class FakeBackend(Backend):
    """Runs ``function`` where a network would run.

    For the tests of programs that use viseme, without a patch anywhere::

        silent = FakeBackend(lambda inputs: [inputs["input"][:, :3]])
        Inferencer("generator.onnx", backend=silent)

    Args:
        function: takes the named inputs and gives the outputs in order; called from many threads
            at once when the inferencer is.
        name: what :attr:`name` says.
        device: what :attr:`device` says; ``"gpu"`` makes an inferencer plan as for a GPU.
        precision: what :attr:`precision` says.
    """

    def __init__(
        self,
        function: Callable[[Mapping[str, Tensor]], Sequence[Tensor]],
        *,
        name: str = "fake",
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        self.name = name
        self.device = device
        self.precision = precision
        self.closed = False
        self._function = function

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Give what the function gives."""
        if self.closed:
            raise BackendError(f"The back end {self.name!r} is closed; open another.")
        return list(self._function(inputs))

    def close(self) -> None:
        """Refuse calls from now on."""
        self.closed = True

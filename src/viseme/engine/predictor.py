"""What the one pipeline asks of whatever makes its predictions."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Protocol

from viseme.engine.backend import Backend, Tensor
from viseme.engine.model import ModelInfo
from viseme.engine.opening import WarmUp
from viseme.engine.tensors import Asked

__all__ = ["Predictor"]


class Predictor(Protocol):
    """A generator to send a stream of frames through.

    An :class:`Inferencer` is one that its user has to himself; a server gives each stream a lane
    to an inferencer that they share.
    """

    @property
    def info(self) -> ModelInfo:
        """What the network's file says of itself."""

    @property
    def backend(self) -> Backend:
        """What runs the network; opened now if it is not yet."""

    def warm_up(self) -> WarmUp:
        """Open what is not open yet and run it until it is warm; give the first report again."""

    def map(self, questions: Iterable[Asked]) -> Generator[Tensor, None, None]:
        """Predict a stream of single frames, several at once, with the results in order.

        Args:
            questions: one for each frame, as in `Inferencer.map`. A bounded number of them is
                taken ahead, on any thread, but on one at a time.

        Yields:
            The pictures, float32 ``[3, S, S]``. Closing the generator ends all it began.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
            BackendError: if the back end fails.
        """

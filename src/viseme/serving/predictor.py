"""A lane of the scheduler as the one pipeline sees it: a generator to send a stream through."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future

from viseme.engine import Backend, ModelInfo, Question, Tensor, WarmUp
from viseme.engine.tensors import Asked
from viseme.rendering.stage import Stage
from viseme.serving.job import Lane
from viseme.serving.scheduler import Scheduler

__all__ = ["LanePredictor"]


class LanePredictor:
    """A `Predictor` for one stream that runs in a lane of a scheduler, for a `Renderer`.

    Args:
        scheduler: does the work.
        lane: how urgent the stream is.
        deadline_s: the `time.monotonic()` after which its frames are of no use.
    """

    def __init__(
        self, scheduler: Scheduler, lane: Lane, *, deadline_s: float | None = None
    ) -> None:
        self._scheduler = scheduler
        self._lane = lane
        self._deadline_s = deadline_s

    @property
    def info(self) -> ModelInfo:
        """What the network's file says of itself."""
        return self._scheduler.inferencer.info

    @property
    def backend(self) -> Backend:
        """What runs the network, open."""
        return self._scheduler.inferencer.backend

    def warm_up(self) -> WarmUp:
        """Give the report of the inferencer's warm-up."""
        return self._scheduler.inferencer.warm_up()

    def map(self, questions: Iterable[Asked]) -> Generator[Tensor, None, None]:
        """Predict a stream, as `Predictor.map` describes it.

        They are taken on a thread of their own, so that a result is given as soon as it is
        ready even while the next one is waited for, as in a live stream it is. All frames of
        the stream take turns with other jobs as one. Closing the generator, or an error, cancels
        what has not begun and waits for that thread, for which `questions` are abandoned where
        they are `Abandonable`.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
            BackendError: if the back end fails.
            DeadlineError: if the deadline has passed.
            UnavailableError: if the server is stopping.
        """
        # One more is in the hand of the thread and one in that of the consumer.
        ahead = max(1, 2 * self._scheduler.inferencer.workers - 2)
        in_flight: deque[Future[Tensor]] = deque(maxlen=ahead + 2)
        try:
            submitted = self._submitted(questions, in_flight)
            with Stage(submitted, ahead=ahead, name="lane", source=questions) as futures:
                for future in futures:
                    yield future.result()[0]
        finally:
            for future in in_flight:
                future.cancel()

    def _submitted(
        self,
        questions: Iterable[Asked],
        in_flight: deque[Future[Tensor]],
    ) -> Generator[Future[Tensor], None, None]:
        stream = object()
        for visual, audio, face in map(Question.of, questions):
            future = self._scheduler.submit(
                visual[None],
                audio[None],
                faces=(face,),
                lane=self._lane,
                deadline_s=self._deadline_s,
                stream=stream,
            )
            in_flight.append(future)
            yield future

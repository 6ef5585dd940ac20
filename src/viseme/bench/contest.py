"""Works in processes of their own, taking turns."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import IO, Any, Final, Self

from viseme.bench.processes import module_command
from viseme.bench.spread import Spread
from viseme.bench.work import Spec
from viseme.errors import UnavailableError

__all__ = ["Contestant", "Entry", "Score", "hold"]

_ANSWER_S: Final = 600.0
"""How long a work may take to open, or to make the frames of a round."""
_LAST_WORDS_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """A work that takes part."""

    name: str
    """As programs call it."""
    title: str
    """As people do."""
    spec: Spec
    frames: int
    """How many it makes in a round."""


@dataclass(slots=True)
class Score:
    """What came of a work."""

    entry: Entry
    backend: str = ""
    warm_up_s: float = 0.0
    """Opening the network, choosing what runs it, and its first runs."""
    first_s: float = 0.0
    """The first frame after that."""
    peak_bytes: int = 0
    """The most memory that its process held."""
    seconds_per_frame: list[float] = field(default_factory=list)
    """Each round."""
    core_seconds_per_frame: list[float] = field(default_factory=list)
    """Likewise, of all cores together."""
    seconds_per_run: list[float] = field(default_factory=list)
    """Every run of the network in all rounds, where whole batches are made."""
    refused: str = ""
    """Why it could not take part; empty if it did."""

    @property
    def ms(self) -> Spread:
        """Milliseconds a frame."""
        return Spread.of([1000 * seconds for seconds in self.seconds_per_frame])

    @property
    def core_ms(self) -> Spread:
        """Milliseconds of one core that a frame takes."""
        return Spread.of([1000 * seconds for seconds in self.core_seconds_per_frame])

    @property
    def run_ms(self) -> Spread | None:
        """Milliseconds that a batch waits for its run; None where there are no batches."""
        if not self.seconds_per_run:
            return None
        return Spread.of([1000 * seconds for seconds in self.seconds_per_run])

    @property
    def frames_per_s(self) -> Spread:
        """Frames a second."""
        return Spread.of([1 / seconds for seconds in self.seconds_per_frame])

    def figures(self) -> dict[str, Any]:
        """Give it by name, for programs."""
        known: dict[str, Any] = {
            "name": self.entry.name,
            "title": self.entry.title,
            "frames": self.entry.frames,
        }
        if self.refused:
            return {**known, "refused": self.refused}
        return {
            **known,
            "backend": self.backend,
            "rounds": len(self.seconds_per_frame),
            "frames_per_s": self.frames_per_s.figures(),
            "ms_per_frame": self.ms.figures(),
            "core_ms_per_frame": self.core_ms.figures(),
            **({} if self.run_ms is None else {"ms_per_run": self.run_ms.figures()}),
            "warm_up_s": round(self.warm_up_s, 3),
            "first_ms": round(1000 * self.first_s, 3),
            "peak_mib": round(self.peak_bytes / 2**20),
        }


def hold(entries: Sequence[Entry], rounds: int, on_step: Callable[[str], None]) -> list[Score]:
    """Let works make their frames in turns, round by round, each round in another order.

    Args:
        entries: the works. Each is opened by itself before the first round, so that no other
            disturbs it while it chooses what runs its network.
        rounds: how often each makes its frames.
        on_step: told, in a sentence, what begins now.

    Raises:
        UnavailableError: a work ended in the middle, or did not answer in ten minutes.
    """
    with ExitStack() as stack:
        running: list[Contestant] = []
        scores = []
        for entry in entries:
            on_step(f"Opening: {entry.title}.")
            contestant = stack.enter_context(Contestant(entry))
            scores.append(contestant.score)
            if not contestant.score.refused:
                running.append(contestant)
        for number in range(rounds):
            on_step(f"Round {number + 1} of {rounds}.")
            turn = number % max(1, len(running))
            for contestant in (*running[turn:], *running[:turn]):
                contestant.make()
    return scores


class Contestant:
    """The process of a work. Use it as a context manager, which ends the process."""

    def __init__(self, entry: Entry) -> None:
        self.score = Score(entry)
        self._answers: Queue[bytes] = Queue()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready.

        Raises:
            UnavailableError: it ended, or did not answer.
        """
        with ExitStack() as stack:
            self._words: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            command = module_command(
                "viseme.bench.child", json.dumps(self.score.entry.spec.as_dict())
            )
            self._process = stack.enter_context(
                subprocess.Popen(
                    command,
                    bufsize=0,  # what is not read in time is not written again on closing
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._words,
                )
            )
            reader = Thread(target=self._read, name="viseme-bench-reader")
            reader.start()
            stack.callback(reader.join)
            stack.callback(self._process.kill)  # it holds nothing that would have to be saved
            answer = self._answer()
            if answer["event"] == "refused":
                self.score.refused = answer["error"]
            else:
                self.score.backend = answer["backend"]
                self.score.warm_up_s = answer["warm_up_s"]
                self.score.first_s = answer["first_s"]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def make(self) -> None:
        """Have the frames of a round made, and write down what that took.

        Raises:
            UnavailableError: it ended, or did not answer.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{self.score.entry.frames}\n".encode())
        except BrokenPipeError:
            raise self._lost() from None
        answer = self._answer()
        if answer["event"] == "refused":
            raise UnavailableError(f"{self.score.entry.title}: {answer['error']}")
        frames = answer["frames"]
        self.score.seconds_per_frame.append(answer["seconds"] / frames)
        self.score.core_seconds_per_frame.append(answer["core_seconds"] / frames)
        self.score.seconds_per_run += answer["run_seconds"]
        self.score.peak_bytes = answer["peak_bytes"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(b"")

    def _answer(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._answers.get(timeout=_ANSWER_S)))
        except (Empty, ValueError):
            raise self._lost() from None

    def _lost(self) -> UnavailableError:
        self._words.seek(0)
        said = self._words.read().decode("utf-8", "replace").strip()[-_LAST_WORDS_CHARS:]
        return UnavailableError(
            f"What was to be measured ({self.score.entry.title}) ended or does not answer; its "
            f"last words: {said or 'none'}"
        )

"""How much a server takes on at once, and refusing the rest before it costs anything."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from viseme.audio import FRAME_RATE_HZ
from viseme.errors import InputError, OverloadedError
from viseme.serving.job_queue import stopping

__all__ = ["LIVE_SHARE", "Admission", "Guest", "Limits", "Load"]

BATCH_MAX = 25
"""Frames in the largest request of the contract that existing clients speak."""

LIVE_SHARE = 0.8
"""What part of the frames that a machine makes live streams may take: the rest is for composing
and encoding, which take time from the same cores, and for other requests."""

RETRY_S_MIN, RETRY_S_MAX = 1.0, 60.0
"""Between these a refused client is told to wait: not to knock at once, nor to go for ever."""


class Load(NamedTuple):
    """An amount of each thing that there is only so much of."""

    requests: int = 0
    """Calls of any kind that are being answered."""
    frames: int = 0
    """Frames that are wanted and not yet given."""
    request_bytes: int = 0
    """Bytes of messages that have come and are held until they are answered."""
    streams: int = 0
    """Live streams."""
    clips: int = 0
    """Clips that are being rendered."""

    def plus(self, other: Load) -> Load:
        """Add, each to each."""
        return Load(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))

    def minus(self, other: Load) -> Load:
        """Take away, each from each."""
        return Load(*(ours - theirs for ours, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every bound of a server.

    The defaults suit a machine of a few cores and 4 GB or more, with clients that send what is of
    use; `memory_bytes` tells what others can make of them.
    """

    requests: int = 64
    """Calls at once, of any kind. Each holds a thread of a door while it lasts."""
    frames: int = 512
    """Frames that wait or are at work. Sixteen clients with the largest batch want 400; what
    waits longer than some seconds is better refused than kept."""
    request_bytes: int = 2**30
    """Bytes of requests held at once: as many as those sixteen clients send. A body of HTTP counts
    by the length that it announces, a message of gRPC once it is there, since gRPC tells nothing
    of one before it is whole."""
    streams: int | None = None
    """Live streams at once. Each takes 25 frames a second before all others, so None stands for
    as many as the machine has time for, which `fitted` finds; until then for one."""
    clips: int = 8
    """Clips rendered at once. Each has its own encoder and three threads."""
    caller_share: float = 0.5
    """What part of each of the above one named caller may take, so that none shuts out the
    others. Callers without a token cannot be told apart, and share the whole."""
    message_bytes: int = 200 * 2**20
    """The largest message that is read, as in the contract of existing clients."""
    clip_s: float = 600.0
    """The longest sound that is rendered: ten minutes."""
    stall_s: float = 30.0
    """How long a client may leave what it asked for unread before it is dropped."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, where it is written."""
        for name in (*Load._fields, "message_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be 1 or more")
        for name in ("caller_share", "clip_s", "stall_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}; it must be a number over 0")
        if self.caller_share > 1:
            raise ValueError(f"caller_share is {self.caller_share}; it must be 1 or less")

    @property
    def memory_bytes(self) -> int:
        """The most memory that clients can take together, beside networks, avatars and pipelines.

        Each call that is let in has one message at a time, on its way or held, of `message_bytes`
        at most; that of a clip or a live stream is there twice while it is read. Of what is held,
        which is no more than `request_bytes`, there may be arrays of twice the size, if it is JSON
        of short numbers, and answers of the size. Who is not let in is refused before his message
        is read, so of him there is a window of the connection and nothing else.
        """
        calls = self.requests + self.clips + (self.streams or 1)
        return calls * self.message_bytes + 3 * self.request_bytes

    def fitted(self, frames_per_s: float) -> Limits:
        """Fill in how many live streams there may be on a machine that makes so many frames."""
        if self.streams is not None:
            return self
        return replace(self, streams=max(1, int(LIVE_SHARE * frames_per_s / FRAME_RATE_HZ)))

    def whole(self) -> Load:
        """Give what there is for all callers together."""
        streams = self.streams or 1
        return Load(self.requests, self.frames, self.request_bytes, streams, self.clips)

    def share(self) -> Load:
        """Give what one named caller may take.

        However small the share, it is never too small for one request of the largest batch,
        nor does it pass the whole.
        """
        least = Load(1, BATCH_MAX, self.message_bytes, 1, 1)
        return Load(
            *(
                min(whole, max(few, int(self.caller_share * whole)))
                for whole, few in zip(self.whole(), least, strict=True)
            )
        )


_PLURALS = ("requests", "frames", "bytes of requests", "live streams", "clips")


class Guest:
    """A request that was let in, which may turn out to want more than was known at first."""

    def __init__(self, admission: Admission, caller: str | None) -> None:
        self._admission = admission
        self._caller = caller
        self._held = Load()

    def claim(self, *, frames: int = 0, request_bytes: int = 0) -> None:
        """Take more, to be given back with the rest; also while the server is draining.

        Args:
            frames: as in `Admission.request`.
            request_bytes: likewise.

        Raises:
            OverloadedError, InputError: as there; what was let in before stays so.
        """
        self._take(Load(frames=frames, request_bytes=request_bytes))

    def _take(self, load: Load) -> None:
        self._admission._enter(load, self._held, self._caller)
        self._held = self._held.plus(load)

    def _leave(self) -> None:
        self._admission._leave(self._held, self._caller)


class Admission:
    """Counts what the server has taken on, and lets in what still fits; for any thread.

    Args:
        limits: the bounds.
        frames_per_s: tells how fast frames are made now, or 0 if that is not known: from it
            comes the time after which a refused caller is to try again.
        callers: bounds of single callers by their names, each by the name that it has in `Load`,
            in place of their shares.
    """

    def __init__(
        self,
        limits: Limits,
        frames_per_s: Callable[[], float],
        callers: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    ) -> None:
        self.limits = limits
        self._frames_per_s = frames_per_s
        self._whole = limits.whole()
        self._share = limits.share()
        self._shares = {name: self._share._replace(**bounds) for name, bounds in callers.items()}
        self._total = Load()
        self._callers: dict[str, Load] = {}
        self._draining = False
        self._told: list[Callable[[], None]] = []
        self._changed = threading.Condition()

    @contextmanager
    def request(
        self,
        *,
        frames: int = 0,
        request_bytes: int = 0,
        streams: int = 0,
        clips: int = 0,
        caller: str | None = None,
    ) -> Iterator[Guest]:
        """Let a request in for as long as the `with` statement lasts, or refuse it at once.

        Args:
            frames: how many it wants at a time; for a stream, how many it has in flight.
            request_bytes: the size of its message.
            streams: 1 if it is a live stream.
            clips: 1 if it renders a clip.
            caller: the name of the token that it came with; None without one.

        Yields:
            What takes more, once more is known: a request can be let in before it is read.

        Raises:
            OverloadedError: if it does not fit now; says when to try again.
            UnavailableError: if the server is draining.
            InputError: if it would not fit even if there were nothing else.
        """
        guest = Guest(self, caller)
        guest._take(Load(1, frames, request_bytes, streams, clips))
        try:
            yield guest
        finally:
            guest._leave()

    @property
    def held(self) -> Load:
        """What is taken on now."""
        with self._changed:
            return self._total

    def held_by(self, caller: str) -> Load:
        """Give what is taken on now for one caller."""
        with self._changed:
            return self._callers.get(caller, Load())

    @property
    def draining(self) -> bool:
        """Whether nothing more is let in."""
        return self._draining

    def drain(self) -> None:
        """Let nothing more in; what is in may finish."""
        with self._changed:
            self._draining = True
            told = list(self._told)
        for tell in told:
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have a function called when the draining begins, as long as the `with` statement lasts.

        Args:
            tell: what to call, at once if it has begun; on the thread that drains, so it must be
                quick. It may still be called at the moment in which the statement ends.
        """
        with self._changed:
            self._told.append(tell)
            draining = self._draining
        try:
            if draining:
                tell()
            yield
        finally:
            with self._changed:
                self._told.remove(tell)

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until everything has left, at most so long; tell whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._total.requests, timeout_s)

    def _enter(self, claim: Load, own: Load, caller: str | None) -> None:
        """Take what a request claims, beside what it has; nothing if any of it does not fit."""
        with self._changed:
            # A guest is in already, and what it claims besides is part of what may finish.
            if claim.requests and self._draining:
                raise stopping()
            self._check(claim, own, self._total, self._whole, "The server is busy")
            if caller is not None:
                held = self._callers.get(caller, Load())
                share = self._shares.get(caller, self._share)
                self._check(claim, own, held, share, f"{caller!r} has its share of the server")
                self._callers[caller] = held.plus(claim)
            self._total = self._total.plus(claim)

    def _leave(self, claim: Load, caller: str | None) -> None:
        with self._changed:
            self._total = self._total.minus(claim)
            if caller is not None:
                left = self._callers[caller].minus(claim)
                if left.requests:
                    self._callers[caller] = left
                else:
                    del self._callers[caller]
            self._changed.notify_all()

    def _check(self, claim: Load, own: Load, held: Load, bound: Load, who: str) -> None:
        """Refuse a claim that would pass a bound, beside what all hold, its request among them."""
        for (asked, whole), have, most, things in zip(
            zip(claim, claim.plus(own), strict=True), held, bound, _PLURALS, strict=True
        ):
            if asked and whole > most:
                raise InputError(
                    f"The request is for {whole} {things} at once, and {most} is the most that "
                    "is let in; ask for less at a time."
                )
            if have + asked > most:
                retry_after_s = self._retry_after_s()
                raise OverloadedError(
                    f"{who}: {have} of {most} {things} are taken; try again in "
                    f"{math.ceil(retry_after_s)} s.",
                    retry_after_s=retry_after_s,
                )

    def _retry_after_s(self) -> float:
        """Estimate when what is let in now will be done, from how fast frames are made."""
        rate = self._frames_per_s()
        wait_s = self._total.frames / rate if rate > 0 else RETRY_S_MIN
        return min(max(wait_s, RETRY_S_MIN), RETRY_S_MAX)

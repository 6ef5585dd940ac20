"""Who can speak on a server: its avatars and their networks, open, warm and shared by all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from viseme.avatar import Avatar, load_avatar
from viseme.avatar.frame_store import DEFAULT_BUDGET_BYTES
from viseme.avatar.kept_frames import DEFAULT_DISK_BYTES
from viseme.engine import AudioEncoder
from viseme.errors import AvatarError
from viseme.rendering import Networks, Renderer, RenderOptions
from viseme.serving.job import Lane
from viseme.serving.networks import (
    GeneratorOptions,
    GeneratorReport,
    ServedGenerator,
    SharedNetworks,
)
from viseme.serving.predictor import LanePredictor
from viseme.serving.scheduler import RunReport

__all__ = ["Cast", "CastOptions", "CastReport"]

_NAME_SHOWN_MAX = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class CastOptions:
    """Who is to speak, and with what."""

    avatars: tuple[str | Path, ...] = ()
    """Names or paths of avatars, as `load_avatar` takes them."""
    model: str | Path | None = None
    """The generator for those who bring faces of their own; that of the first avatar if None."""
    generators: GeneratorOptions = field(default_factory=GeneratorOptions)
    """How the generators are run."""
    memory_budget_bytes: int = DEFAULT_BUDGET_BYTES
    """Memory for the decoded frames of each avatar."""
    disk_budget_bytes: int = DEFAULT_DISK_BYTES
    """Disk for the same."""


@dataclass(frozen=True, slots=True)
class CastReport:
    """What opening everything led to."""

    avatars: tuple[str, ...]
    generators: tuple[GeneratorReport, ...]
    """Each once; the first is that of the tensor doors."""
    seconds: float
    """Wall-clock time for all of it."""


class Cast:
    """The avatars and networks that a server holds open, for any thread.

    Each network is opened once, however many avatars bring the same file. Avatars are known by
    the names of their folders; a name that a client gives is looked up among these and never
    taken for a path. Entering opens and warms up everything, which takes seconds; leaving ends
    the schedulers first, then the networks, then the avatars.

    Args:
        options: what to open.
        on_run: told of each run of any generator, as `Scheduler` does it.
    """

    def __init__(self, options: CastOptions, on_run: Callable[[RunReport], None]) -> None:
        self._options = options
        self._networks = SharedNetworks(options.generators, on_run)
        self._avatars: dict[str, Avatar] = {}
        self._generators: dict[str, ServedGenerator] = {}
        self._encoders: dict[str, AudioEncoder] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Open and warm up everything; nothing stays open if anything fails.

        Raises:
            AvatarError: an avatar is not there or damaged, two have one name, or there is
                neither an avatar nor a model.
            ModelError: a network does not fit.
            BackendError: the back end does not work on this machine.
            MissingExtraError: the back end is not installed.
        """
        start_s = time.monotonic()
        with ExitStack() as stack:
            self._load(stack)
            stack.callback(self._networks.close)
            for name, avatar in self._avatars.items():
                self._rehearse(name, avatar)
            self._tensors = self._networks.generator(self._tensor_model())
            self._stack = stack.pop_all()
        self.report = CastReport(
            tuple(self._avatars), self._networks.reports, time.monotonic() - start_s
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def avatars(self) -> Iterable[Avatar]:
        """All avatars, in the order of the options."""
        return self._avatars.values()

    @property
    def tensors(self) -> ServedGenerator:
        """The generator for those who bring faces of their own."""
        return self._tensors

    def avatar(self, name: str) -> Avatar:
        """Give an avatar by its name.

        Raises:
            AvatarError: there is none of that name here; names the ones there are.
        """
        if name not in self._avatars:
            shown = name if len(name) <= _NAME_SHOWN_MAX else name[:_NAME_SHOWN_MAX] + "…"
            names = ", ".join(self._avatars) or "none"
            raise AvatarError(f"There is no avatar {shown!r} here; there are: {names}.")
        return self._avatars[name]

    def generator(self, name: str) -> ServedGenerator:
        """Give the generator that an avatar speaks with.

        Raises:
            AvatarError: there is none of that name here.
        """
        self.avatar(name)
        return self._generators[name]

    def renderer(
        self,
        name: str,
        options: RenderOptions | None = None,
        *,
        lane: Lane,
        deadline_s: float | None = None,
    ) -> Renderer:
        """Give a renderer for one speech of an avatar, not yet entered.

        Args:
            name: whose it is.
            options: as for `render`; what they say of networks and memory does not count.
            lane: how urgent it is.
            deadline_s: the `time.monotonic()` after which its frames are of no use.

        Raises:
            AvatarError: there is none of that name here.
        """
        avatar = self.avatar(name)
        scheduler, encoder = self._generators[name].scheduler, self._encoders[name]
        predictor = LanePredictor(scheduler, lane, deadline_s=deadline_s)
        return Renderer(avatar, options, networks=Networks(predictor, encoder))

    def close(self, grace_s: float = 0.0) -> None:
        """End the schedulers within the grace, then close networks and avatars."""
        self._networks.close(grace_s)
        self._stack.close()

    def _load(self, stack: ExitStack) -> None:
        options = self._options
        for wanted in options.avatars:
            avatar = stack.enter_context(
                load_avatar(
                    wanted,
                    memory_budget_bytes=options.memory_budget_bytes,
                    disk_budget_bytes=options.disk_budget_bytes,
                )
            )
            name = avatar.folder.name or avatar.folder.resolve().name
            if name in self._avatars:
                raise AvatarError(
                    f"Two avatars are called {name!r}, in {self._avatars[name].folder} and "
                    f"{avatar.folder}; leave one out, or rename its folder."
                )
            self._avatars[name] = avatar

    def _tensor_model(self) -> Path:
        if self._options.model is not None:
            return Path(self._options.model)
        for avatar in self._avatars.values():
            return avatar.generator
        raise AvatarError("There is nothing to serve; name an avatar, or give a model.")

    def _rehearse(self, name: str, avatar: Avatar) -> None:
        """Open an avatar's networks, and see that they fit each other before anyone comes."""
        digest = avatar.manifest.sha256.generator
        sharing = (a for a in self._avatars.values() if a.manifest.sha256.generator == digest)
        faces = sum(one.frame_count for one in sharing)
        self._generators[name] = self._networks.generator(avatar.generator, faces=faces)
        self._encoders[name] = self._networks.audio_encoder(avatar.audio_encoder)
        with self.renderer(name, lane=Lane.BULK):
            pass

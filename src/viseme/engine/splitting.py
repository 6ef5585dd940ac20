"""Whether a generator runs in two halves on this machine: measured once, and remembered."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from viseme.engine.backend import Backend, Tensor
from viseme.engine.choice_cache import ChoiceCache, Key
from viseme.engine.features import FeatureOptions
from viseme.engine.model import ModelInfo
from viseme.engine.parts import FORMAT, Parts, parts_of
from viseme.engine.samples import sample_inputs
from viseme.engine.split import Target
from viseme.engine.split_backend import SplitBackend, is_worth_splitting
from viseme.errors import BackendError, VisemeError

__all__ = ["Splitting"]

_SAMPLES = 2
_HALVES, _WHOLE = "halves", "whole"


class Splitting:
    """The way to open a generator where features of faces may be kept.

    Args:
        info: the whole network.
        options: what may be kept.
        key: all that a choice rests on, the network's content and the back end among it.
        open_whole: opens the network as it is.
        open_exact: opens it in float32.
        open_halves: opens both halves of it in the same back end, given what tells all that the
            features depend on; gives None where these cannot be kept.
        target: what halves are written for.
        run: gives the picture that a back end makes of a sample.
    """

    def __init__(
        self,
        info: ModelInfo,
        options: FeatureOptions,
        key: Key,
        *,
        open_whole: Callable[[], Backend],
        open_exact: Callable[[], Backend],
        open_halves: Callable[[Parts, str], SplitBackend[Any] | None],
        target: Target,
        run: Callable[[Backend, Mapping[str, Tensor]], Tensor],
    ) -> None:
        self._info = info
        self._options = options
        # Neither the answer nor what was kept is true of halves that are made in another way.
        self._key = {**key, "question": "split", "halves": FORMAT}
        self._open_whole = open_whole
        self._open_exact = open_exact
        self._open_halves = open_halves
        self._target = target
        self._run = run
        self._cache = ChoiceCache(options.folder)

    def open(self) -> Backend:
        """Open it in the way that was found to be better, or find that out."""
        parts = self._parts
        found = None if parts is None else self._cache.recall(self._key_of(parts))
        if parts is None or found == _WHOLE:
            return self._open_whole()
        if found == _HALVES:
            return self._halves(parts) or self._open_whole()
        return self.better_than(self._open_whole())

    def better_than(self, whole: Backend) -> Backend:
        """Give what is better, the other one closed."""
        parts = self._parts
        halves = None if parts is None else self._halves(parts)
        if parts is None or halves is None:
            return whole
        with contextlib.ExitStack() as stack:
            reference = whole
            if whole.precision != "float32":
                reference = self._open_exact()
                stack.callback(reference.close)
            is_worth_it = False
            with contextlib.suppress(BackendError):  # of halves that it opens, and cannot run
                is_worth_it = is_worth_splitting(
                    whole,
                    halves,
                    sample_inputs(self._info, _SAMPLES),
                    run=self._run,
                    reference=reference,
                    visual_name=self._info.visual_name,
                )
        self._cache.remember(self._key_of(parts), _HALVES if is_worth_it else _WHOLE)
        kept, other = (halves, whole) if is_worth_it else (whole, halves)
        other.close()
        return kept

    @cached_property
    def _parts(self) -> Parts | None:
        if self._info.batch is not None:
            return None
        with contextlib.suppress(VisemeError):
            return parts_of(self._info, str(self._key["model"]), self._options, self._target)
        return None

    def _key_of(self, parts: Parts) -> Key:
        return {**self._key, "again": len(parts.again)} if parts.again else self._key

    def _halves(self, parts: Parts) -> SplitBackend[Any] | None:
        """Open both halves; None where they cannot be had, or features not be kept."""
        with contextlib.suppress(VisemeError):
            return self._open_halves(parts, json.dumps(self._key_of(parts)))
        return None

"""Whether a generator runs in two halves on this machine: measured once, and remembered."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from viseme.cache import cache_folder
from viseme.engine.backend import Backend, Tensor
from viseme.engine.choice_cache import ChoiceCache, Key
from viseme.engine.features import FeatureOptions, FeatureShelf
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import read_signature
from viseme.engine.samples import sample_inputs
from viseme.engine.split import split_at_sound
from viseme.engine.split_backend import SplitBackend, is_worth_splitting
from viseme.errors import VisemeError

__all__ = ["Splitting"]

OpenPart = Callable[[Path, Mapping[str, tuple[int, ...]]], Backend]
"""Opens a network's file, with the shapes of its inputs by name."""

_FORMAT = 1
"""Of the halves: to be counted on where a network would be taken apart in another way."""
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
        open_part: opens a half of it in the same back end.
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
        open_part: OpenPart,
        run: Callable[[Backend, Mapping[str, Tensor]], Tensor],
    ) -> None:
        self._info = info
        self._options = options
        self._key = {**key, "question": "split"}
        self._open_whole = open_whole
        self._open_exact = open_exact
        self._open_part = open_part
        self._run = run
        self._cache = ChoiceCache(options.folder)

    def open(self) -> Backend:
        """Open it in the way that was found to be better, or find that out."""
        found = self._cache.recall(self._key)
        if found == _HALVES:
            halves = self._halves()
            return self._open_whole() if halves is None else halves
        whole = self._open_whole()
        return whole if found == _WHOLE else self.better_than(whole)

    def better_than(self, whole: Backend) -> Backend:
        """Give what is better, the other one closed."""
        halves = self._halves()
        if halves is None:
            return whole
        with contextlib.ExitStack() as stack:
            reference = whole
            if whole.precision != "float32":
                reference = self._open_exact()
                stack.callback(reference.close)
            is_worth_it = is_worth_splitting(
                whole,
                halves,
                sample_inputs(self._info, _SAMPLES),
                run=self._run,
                reference=reference,
                visual_name=self._info.visual_name,
            )
        self._cache.remember(self._key, _HALVES if is_worth_it else _WHOLE)
        kept, other = (halves, whole) if is_worth_it else (whole, halves)
        other.close()
        return kept

    def _halves(self) -> SplitBackend | None:
        """Open both halves; None where they cannot be had, or features not be kept."""
        info, sample = self._info, sample_inputs(self._info, 1)[0]
        files = self._files()
        if info.batch is not None or files is None:
            return None
        opened = contextlib.ExitStack()
        with opened, contextlib.suppress(VisemeError):
            visual = sample[info.visual_name]
            seeing = self._open_part(files / "seeing.onnx", {info.visual_name: visual.shape})
            opened.callback(seeing.close)
            inputs, _ = read_signature(files / "speaking.onnx")
            names = tuple(
                spec.name for spec in inputs if spec.name not in (info.visual_name, info.audio_name)
            )
            made = dict(zip(names, seeing.run({info.visual_name: visual}), strict=True))
            shapes = {name: array.shape for name, array in {**sample, **made}.items()}
            sees_again = any(spec.name == info.visual_name for spec in inputs)
            if not sees_again:
                del shapes[info.visual_name]
            speaking = self._open_part(files / "speaking.onnx", shapes)
            opened.callback(speaking.close)
            shelf = FeatureShelf(
                self._options, json.dumps(self._key), [array.shape for array in made.values()]
            )
            if shelf.open() and speaking.name == seeing.name:
                opened.pop_all()
                return SplitBackend(
                    info, seeing, speaking, features=names, sees_again=sees_again, shelf=shelf
                )
        return None

    def _files(self) -> Path | None:
        """Give the folder of both halves' files, made once; None where there are none."""
        name = f"{self._key['model']}-{_FORMAT}"
        folder = (self._options.folder or cache_folder()) / "halves" / name
        if folder.is_dir():
            return folder
        with contextlib.suppress(OSError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as part:
                if self._write(Path(part)):
                    with contextlib.suppress(FileExistsError):  # another process was faster
                        Path(part).rename(folder)
                    return folder
        return None

    def _write(self, folder: Path) -> bool:
        halves = split_at_sound(self._info)
        if halves is None:
            return False
        (folder / "seeing.onnx").write_bytes(halves.seeing)
        _, outputs = read_signature(folder / "seeing.onnx")
        if any(spec.shape[:1] not in ((None,), (1,)) for spec in outputs):
            return False
        (folder / "speaking.onnx").write_bytes(
            halves.typed({spec.name: spec.shape for spec in outputs})
        )
        return True

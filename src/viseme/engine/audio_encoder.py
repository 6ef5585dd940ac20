"""The audio encoder, ready to use: patches of mel spectrogram in, features out."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from viseme.engine.backend import Backend, Tensor
from viseme.engine.backends import AUTO, check_backend
from viseme.engine.batching import padded, split
from viseme.engine.model import FEATURE_SIZE, MEL_PATCH, EncoderInfo, read_encoder
from viseme.engine.onnx_runtime import OnnxRuntimeBackend
from viseme.engine.tensors import as_tensor, take_output
from viseme.errors import BackendError

__all__ = ["AudioEncoder"]

BATCH_MAX = 32
"""Patches in one run of a dynamic encoder: what its activations take stays within some MB."""


class AudioEncoder:
    """The network that hears: a callable, ``[b, 1, 80, 16]`` of log-mel to ``[b, 512]``.

    It is small, 25 patches a second of speech, and runs beside the generator: so it always runs
    in ONNX Runtime on one core, whatever runs the generator, and gives the same features on
    every machine alike. It may be called from many threads at once.

    Args:
        model: the ONNX file; of dynamic batch, or of a fixed one.
        backend: ``"auto"`` or ``"onnxruntime"``, or a :class:`Backend` that is open, which is
            closed with this.

    Raises:
        ModelError: if the file is missing, not ONNX, or no audio encoder.
        BackendError: if there is no such back end for an encoder.
    """

    def __init__(self, model: str | Path, *, backend: str | Backend = AUTO) -> None:
        if isinstance(backend, str):
            check_backend(backend)
            if backend not in (AUTO, "onnxruntime"):
                raise BackendError(
                    f"The audio encoder does not run in {backend!r}; choose 'auto' or "
                    "'onnxruntime' for it."
                )
        self.info: EncoderInfo = read_encoder(model)
        """What the file says of itself."""
        self._backend = backend if isinstance(backend, Backend) else None
        self._closed = False
        self._opening = threading.Lock()

    @property
    def backend(self) -> Backend:
        """What runs the network; opened now if it is not yet."""
        with self._opening:
            if self._closed:
                raise BackendError("This AudioEncoder is closed; open another.")
            if self._backend is None:
                self._backend = OnnxRuntimeBackend(self.info.path, threads=1)
            return self._backend

    def __call__(self, mel: NDArray[Any]) -> Tensor:
        """Encode patches of mel spectrogram.

        Args:
            mel: ``[b, 1, 80, 16]``: mel bins by mel frames, -4..4.

        Returns:
            The features, float32 ``[b, 512]``. No patches give ``[0, 512]``.

        Raises:
            InputError: if the array has another shape or type, or values that are not finite.
            BackendError: if the back end fails.
        """
        mel = as_tensor(mel, "mel patch", (None, *MEL_PATCH))
        backend = self.backend
        result = np.empty((len(mel), FEATURE_SIZE), dtype=np.float32)
        for rows in split(len(mel), self.info.batch or BATCH_MAX):
            result[rows] = self._run(backend, mel[rows])
        return result

    def close(self) -> None:
        """Close the back end; later calls raise BackendError."""
        with self._opening:
            self._closed = True
            if self._backend is not None:
                self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, backend: Backend, mel: Tensor) -> Tensor:
        inputs = {self.info.input_name: mel}
        if self.info.batch is not None:
            inputs = padded(inputs, self.info.batch)
        promised = (len(inputs[self.info.input_name]), FEATURE_SIZE)
        return take_output(backend.run(inputs), self.info.output_index, promised)[: len(mel)]

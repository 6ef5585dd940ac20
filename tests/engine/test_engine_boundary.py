"""Nothing that ONNX Runtime raises goes past its boundary as it is."""

from __future__ import annotations

import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as state

from viseme.engine.onnx_runtime import library_errors, translated
from viseme.errors import BackendError

OWN_ERRORS = [
    value
    for value in vars(state).values()
    if isinstance(value, type) and issubclass(value, Exception)
]


def test_there_are_errors_to_translate() -> None:
    assert {"Fail", "InvalidArgument", "InvalidProtobuf"} <= {kind.__name__ for kind in OWN_ERRORS}


@pytest.mark.parametrize("kind", [*OWN_ERRORS, RuntimeError, ValueError, MemoryError])
def test_every_error_of_the_library_is_translated(kind: type[Exception]) -> None:
    error = kind("[ONNXRuntimeError] : 1 : FAIL : Node Conv_7 failed: too large.\nStacktrace:\n1")

    with (
        pytest.raises(BackendError) as raised,
        translated("ONNX Runtime failed to run the network", BackendError),
    ):
        raise error

    assert str(raised.value) == (
        "ONNX Runtime failed to run the network (Node Conv_7 failed: too large)."
    )
    assert raised.value.__cause__ is error
    assert isinstance(error, library_errors())

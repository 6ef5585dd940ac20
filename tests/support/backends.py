"""The back ends that a test goes through on the machine it runs on."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from viseme.engine.open_vino import OpenVINOBackend
from viseme.errors import BackendError


def skip_unless_available(name: str, probe: Path) -> None:
    """Skip a test where OpenVINO is not installed, or the processor lacks bfloat16."""
    if not name.startswith("openvino"):
        return
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    if name == "openvino-bf16":
        try:
            OpenVINOBackend(probe, precision="bfloat16").close()
        except BackendError as error:
            pytest.skip(str(error))


CPU_BACKENDS = ("onnxruntime", "openvino", "openvino-bf16")

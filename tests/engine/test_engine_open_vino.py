"""What OpenVINO does to the process that it runs in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.backends import skip_unless_available
from support.probes import noisy_generator

# Whoever holds two at once and lets go of the first, then of the second, as measuring may.
TWO_NETWORKS = """
import gc, os, signal, sys
from pathlib import Path
from viseme.engine.open_vino import OpenVINOBackend

seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
first = OpenVINOBackend(Path(sys.argv[1]))
second = OpenVINOBackend(Path(sys.argv[1]))
del first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
assert seen == [1]
"""


def test_signals_are_handled_after_networks_have_come_and_gone(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "noisy.onnx")
    skip_unless_available("openvino", path)
    code = [sys.executable, "-c", TWO_NETWORKS, str(path)]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

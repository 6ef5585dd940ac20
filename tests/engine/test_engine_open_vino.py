"""What OpenVINO does to the process that it runs in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from support.backends import skip_unless_available
from support.probes import noisy_generator
from viseme.cache import read_whole, write_whole
from viseme.engine import Tensor, read_model
from viseme.engine.open_vino import OpenVINOBackend
from viseme.engine.samples import sample_inputs

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

# Two that are the first to give it arrays, while Python changes threads as often as it can.
TWO_AT_ONCE = """
import sys, threading
from pathlib import Path
from viseme.engine import read_model
from viseme.engine.open_vino import OpenVINOBackend
from viseme.engine.samples import sample_inputs

path = Path(sys.argv[1])
backend = OpenVINOBackend(path, workers=2)
inputs = sample_inputs(read_model(path), 1)[0]
begin = threading.Barrier(2)

def run():
    begin.wait()
    backend.run(inputs)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=run) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
ENOUGH_S = 60


def run_alone(program: str, network: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(network)],
        capture_output=True,
        text=True,
        check=False,
        timeout=ENOUGH_S,
    )
    assert done.returncode == 0, done.stderr


def test_signals_are_handled_after_networks_have_come_and_gone(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "noisy.onnx")
    skip_unless_available("openvino", path)
    run_alone(TWO_NETWORKS, path)


def test_the_first_two_runs_may_be_at_once(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "noisy.onnx")
    skip_unless_available("openvino", path)
    run_alone(TWO_AT_ONCE, path)


def test_inputs_are_the_callers_again_once_they_are_answered(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "noisy.onnx")
    skip_unless_available("openvino", path)
    first, second = sample_inputs(read_model(path), 2)
    backend = OpenVINOBackend(path)
    (expected,) = backend.run(first)
    lent = {name: array.copy() for name, array in first.items()}
    (made,) = backend.run(lent)
    for array in lent.values():
        array[:] = np.nan
    backend.run(second)
    for array in first.values():
        array.setflags(write=False)
    (again,) = backend.run(first)
    backend.close()
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(again, expected)


def picture_of(path: Path, sample: dict[str, Tensor]) -> Tensor:
    backend = OpenVINOBackend(path, keep=True)
    (picture,) = backend.run(sample)
    backend.close()
    return picture


def drawn(folder: Path) -> tuple[Path, dict[str, Tensor], Tensor]:
    """Write a network, open it, keeping it, and draw a sample."""
    path = noisy_generator(folder / "noisy.onnx")
    skip_unless_available("openvino", path)
    (sample,) = sample_inputs(read_model(path), 1)
    return path, sample, picture_of(path, sample)


def test_what_is_kept_is_opened_in_place_of_the_file(tmp_path: Path) -> None:
    path, sample, expected = drawn(tmp_path)
    content = path.read_bytes()
    path.write_bytes(b"no network")
    np.testing.assert_array_equal(picture_of(path, sample), expected)

    (kept,) = tmp_path.glob("noisy.*.openvino")
    path.write_bytes(content)
    whole = kept.read_bytes()
    for damaged in (whole[:-1000], whole[:500] + b"?" + whole[501:], b""):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(picture_of(path, sample), expected)
        assert read_whole(kept) is not None


def test_what_openvino_cannot_read_is_made_again(tmp_path: Path) -> None:
    path, sample, expected = drawn(tmp_path)
    (kept,) = tmp_path.glob("noisy.*.openvino")
    write_whole(kept, np.arange(1000, dtype=np.uint8))
    np.testing.assert_array_equal(picture_of(path, sample), expected)
    assert kept.stat().st_size > 2000


def test_no_more_than_two_of_a_network_are_kept(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "noisy.onnx")
    skip_unless_available("openvino", path)
    others = [tmp_path / f"noisy.{number}.openvino" for number in range(3)]
    for number, other in enumerate(others):
        other.write_bytes(b"of another version")
        os.utime(other, (number, number))
    backend = OpenVINOBackend(path, keep=True)
    backend.close()
    (made,) = set(tmp_path.glob("noisy.*.openvino")) - set(others)
    assert set(tmp_path.iterdir()) == {path, made, others[-1]}


def test_where_nothing_can_be_written_it_runs_without(tmp_path: Path) -> None:
    path, sample, expected = drawn(tmp_path)
    (kept,) = tmp_path.glob("noisy.*.openvino")
    kept.unlink()
    kept.mkdir()  # which no file can take the place of
    np.testing.assert_array_equal(picture_of(path, sample), expected)
    assert set(tmp_path.iterdir()) == {path, kept}

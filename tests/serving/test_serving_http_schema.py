"""What `/openapi.json` says is what the server does, whatever it is sent."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import numpy as np
import pytest

from support.command_line import CommandLine
from support.house import TOKENS
from support.played_network import AUDIO, PATIENCE_S, PICTURE, VISUAL
from support.probes import painted_window, window_painter
from support.server_process import addresses, drain, serving_process

TOKEN = f"Bearer {TOKENS['anna']}"
OPERATIONS = 13

SETTINGS = """
# Which lists are long enough depends on the network, and what is a sound is in no schema.
[[operations]]
include-method = "POST"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The HTTP door of a server that asks for tokens, with an avatar and a network that paints."""
    run = CommandLine(tmp_path_factory.mktemp("server"))
    model = window_painter(run.folder / "painter.onnx", size=160)
    (run.folder / "tokens").write_text(f"anna:{TOKENS['anna']}\n")
    (run.folder / "viseme.toml").write_text('[auth]\ntoken_file = "tokens"\n')
    given = ("--config", "viseme.toml", "-a", "tiny", "--model", str(model))
    started = (*given, "--backend", "onnxruntime", "--json")
    with serving_process(run.folder, run.environment, *started) as process:
        drain(process)
        yield addresses(process)["http"]


def ask(address: str, path: str, body: bytes | None = None) -> HTTPResponse:
    headers = {"Authorization": TOKEN, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{address}{path}", body, headers)
    response = urllib.request.urlopen(request, timeout=PATIENCE_S)
    assert isinstance(response, HTTPResponse)
    return response


def check_a_batch(address: str) -> None:
    """See that each of two frames hears its own window, to the bit."""
    audio = np.random.default_rng(3).random((2, *AUDIO), dtype=np.float32)
    asked = {
        "visual_frames": [0.5] * (2 * int(np.prod(VISUAL))),
        "audio_features": audio.reshape(-1).tolist(),
        "batch_size": 2,
    }
    with ask(address, "/batch", json.dumps(asked).encode()) as response:
        output = np.array(json.load(response)["output_frames"], np.float32)
    for picture, window in zip(output.reshape(2, *PICTURE), audio, strict=True):
        np.testing.assert_array_equal(painted_window(picture, AUDIO), window)


def test_every_operation_does_what_is_written_of_it(address: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    with ask(address, "/openapi.json") as response:
        # As a file, for the path that it is loaded from would be left out.
        (tmp_path / "openapi.json").write_bytes(response.read())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"),
            *("--url", f"http://{address}"),
            *("--header", f"Authorization: {TOKEN}"),
            *("--max-examples", "25"),
            "--generation-deterministic",
            *("--suppress-health-check", "all"),
            *("--request-timeout", str(PATIENCE_S)),
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Selected: {OPERATIONS}/{OPERATIONS}" in done.stdout
    with ask(address, "/livez") as response:
        assert json.load(response) == {"status": "alive"}
    check_a_batch(address)

"""Runs `viseme` as its users do: as a process of its own, in a folder with a little speech."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import soundfile

import viseme
from support.tiny_avatar import make_avatar
from support.warm_start import give_up_rights, run_warm

TIMEOUT_S = 120
PROGRAM = [sys.executable, "-c", "from viseme.cli import main; main()"]


class CommandLine:
    """A folder with a second of `speech.wav`, beside it the avatar `tiny`, and `viseme`."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "place"
        self.folder.mkdir()
        self.avatars = base / "avatars"
        shutil.copytree(_tiny_avatars(), self.avatars)
        samples = 0.1 * np.random.default_rng(5).standard_normal((44_100, 2))
        soundfile.write(self.folder / "speech.wav", samples, 44_100)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(Path(viseme.__file__).parents[1]),
            "VISEME_AVATARS": str(self.avatars),
            "VISEME_CACHE_DIR": str(base / "cache"),
            "COLUMNS": "80",
        }

    @property
    def names(self) -> list[str]:
        """What there is in the folder."""
        return sorted(path.name for path in self.folder.iterdir())

    def __call__(self, *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run `viseme` until it ends; what is closed to others is closed to root as well."""
        words = list(map(str, arguments))
        if not stdin:
            return run_warm(words, self.folder, self.environment, timeout_s=TIMEOUT_S)
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            preexec_fn=give_up_rights if os.geteuid() == 0 else None,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def start(
        self, *arguments: object, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Run it, and leave it running."""
        return subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )


@cache
def _tiny_avatars() -> Path:
    folder = Path(mkdtemp(prefix="viseme-tests-"))
    make_avatar(folder / "tiny")
    shutil.rmtree(folder / "tiny-networks")
    return folder

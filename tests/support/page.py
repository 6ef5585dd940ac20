"""The page in a browser: the server that it talks to, and what its tests look at.

The fixtures are in `support.page_fixtures`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.server_process import PATIENCE_S, addresses, drain, serving_process

PICTURES = Path("out/page").absolute()
"""Where screenshots go, to be looked at."""
PATIENCE_MS = 1000 * PATIENCE_S
SECONDS = 3.0
"""Of the sound in `speech.wav`."""

BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@contextmanager
def server(folder: Path, port: int, avatar: str = "tiny", **settings: str) -> Iterator[str]:
    """Serve an avatar, and give the page's address.

    Args:
        folder: that of the fixture.
        port: 0 takes a free one.
        avatar: the name of one in the folder.
        settings: of the environment.
    """
    environment = {**os.environ, "VISEME_AVATARS": str(folder / "avatars"), **settings}
    where = f"127.0.0.1:{port}"
    arguments = ("--avatar", avatar, "--backend", "onnxruntime", "--json", "--http", where)
    with serving_process(folder, environment, *arguments) as process:
        drain(process)
        yield f"http://{addresses(process)['http']}/"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(page: Any, state: str) -> None:
    page.wait_for_selector(f"body[data-state={state}]")


def of_avatar(page: Any, expression: str) -> Any:
    """Ask the page for something of its avatar, which is `a`."""
    return page.evaluate(
        f"(() => {{ const a = document.querySelector('viseme-avatar'); return {expression}; }})()"
    )


def is_drawn(page: Any) -> bool:
    """Tell whether there is anything on the canvas."""
    return bool(
        of_avatar(page, "a.canvas.getContext('2d').getImageData(9, 9, 1, 1).data[3] === 255")
    )


def until(page: Any, expression: str) -> None:
    """Wait until something of the page's avatar, which is `a`, is so."""
    until_page(page, f"(a => ({expression}))(document.querySelector('viseme-avatar'))")


def until_page(page: Any, expression: str) -> None:
    """Wait until something is so; the page allows no script of ours to wait in it."""
    for _ in range(10 * PATIENCE_S):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not so: {expression}")

"""`<viseme-avatar>` in a page of another site, which has nothing of viseme but two lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.page import PICTURES, is_drawn, of_avatar, server, until

pytest_plugins = ["support.page_fixtures"]
pytestmark = pytest.mark.waiting

SITE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Another site</title>
<h1>Another site</h1>
<script type="module" src="http://{server}/web/embed.js"></script>
<viseme-avatar src="ws://{server}/v1/live" avatar="tiny"></viseme-avatar>
"""
POLICY = "default-src 'none'; script-src http://{server}; connect-src 'self' ws://{server}"
"""As strict as one can be that loads a script and opens a socket."""
SPEAK = """async (url) => {
  const sound = await (await fetch(url)).blob();
  const avatar = document.querySelector("viseme-avatar");
  window.told = [];
  for (const name of ["state", "fault"])
    avatar.addEventListener(name, (event) => window.told.push([name, event.detail]));
  await avatar.speakFile(sound);
}"""


class Site:
    """A page at an origin of its own."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-security-policy", POLICY.format(server=outer.embeds))
                self.end_headers()
                self.wfile.write(SITE.format(server=outer.embeds).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.embeds = ""
        """Host and port of the server whose avatar it has."""
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as there:
        yield there


@contextmanager
def embedded(site: Site, folder: Path, **settings: str) -> Iterator[None]:
    """Serve an avatar that the site has in its page."""
    with server(folder, 0, **settings) as url:
        site.embeds = urlsplit(url).netloc
        yield


def test_two_lines_put_an_avatar_into_any_site(page: Any, folder: Path, site: Site) -> None:
    page.route("**/said.wav", lambda route: route.fulfill(path=folder / "speech.wav"))
    with embedded(site, folder, VISEME_SERVE_CORS__ORIGINS=site.origin):
        page.goto(site.origin)
        until(page, "a.state === 'resting' && a.screen.shown > 5")
        assert is_drawn(page)
        page.screenshot(path=PICTURES / "embedded.png")
        page.evaluate(SPEAK, "/said.wav")
        until(page, "a.speech && a.speech.base !== null")
        until(page, "a.state === 'resting'")
        assert page.evaluate("window.told") == [["state", "speaking"], ["state", "resting"]]
        of_avatar(page, "void a.listen()")  # whose worklet is the server's, too
        until(page, "a.speech && a.speech.base !== null && a.figures.delayMs > 0")
        of_avatar(page, "a.interrupt()")
        until(page, "a.state === 'resting' && a.microphone === null")


def test_a_site_that_may_not_is_told_how_it_could(page: Any, folder: Path, site: Site) -> None:
    watch = "document.addEventListener('fault', (e) => (window.fault = e.detail), true)"
    page.add_init_script(watch)
    with embedded(site, folder, VISEME_SERVE_CORS__ORIGINS="https://other.example"):
        page.goto(site.origin)
        until(page, "a.state === 'closed' && window.fault")
        assert page.evaluate("window.fault") == (
            f"Pages of {site.origin} may not talk to this server; "
            "its operator can name them in cors.origins."
        )
        assert of_avatar(page, "a.screen.shown") == 0

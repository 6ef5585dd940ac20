"""Both doors of the contract on free ports, answering at once; as a process, `viseme serve`'s way.

`python -m support.stand_in_server` prints that it is ready and runs until SIGTERM.
"""

from __future__ import annotations

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import numpy as np

from support.scripted_server import ScriptedServer, identity_answer
from viseme.wire import services


class StandInServer:
    """gRPC and HTTP, each face answered with its own reference; addresses once it is made."""

    def __init__(self) -> None:
        self._grpc = ScriptedServer({services.INFER_BATCH.path: identity_answer})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Batch)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self.addresses = {
            "grpc": self._grpc.address,
            "composite": self._grpc.address,
            "http": f"127.0.0.1:{self._http.server_address[1]}",
        }

    def __enter__(self) -> Self:
        self._grpc.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._grpc.__exit__(kind, error, trace)


class _Batch(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        visual = np.array(request["visual_frames"], np.float32)
        faces = visual.reshape(request["batch_size"], 2, -1)[:, 0]
        body = json.dumps(
            {
                "output_frames": faces.reshape(-1).tolist(),
                "inference_time_ms": 1.5,
                "success": self.path == "/batch",
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    with StandInServer() as server:
        print(json.dumps({"event": "ready", "addresses": server.addresses}), flush=True)
        print("more than that", flush=True)
        end.wait()


if __name__ == "__main__":
    main()

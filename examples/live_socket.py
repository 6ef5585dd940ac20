"""Speak to a server over its WebSocket, and keep the pictures as a stream of H.264.

    python live_socket.py [ws://127.0.0.1:8080/v1/live]

`speech.wav` has 16-bit samples. docs/live.md is the protocol.
"""

import json
import struct
import sys
import threading
import wave
from pathlib import Path

from websockets.sync.client import connect

URL = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/v1/live"
HEADER = struct.Struct("<BBHIQI")  # kind, flags, nothing, number, start, duration
PIECE_FRAMES = 1600

with (
    wave.open("speech.wav") as speech,
    connect(URL) as socket,
    Path("live.h264").open("wb") as film,
):
    sound = {"rate_hz": speech.getframerate(), "channels": speech.getnchannels(), "format": "s16"}
    socket.send(json.dumps({"type": "hello", "version": 1, "sound": sound, "rest": False}))
    print(socket.recv())

    def speak() -> None:
        """Send all of the speech; the server takes as much of it as it has time for."""
        while piece := speech.readframes(PIECE_FRAMES):
            socket.send(piece)
        socket.send(json.dumps({"type": "end"}))

    threading.Thread(target=speak).start()
    for message in socket:
        if isinstance(message, str):
            print(message)
            break  # ended, or an error
        _, flags, _, number, start, _ = HEADER.unpack_from(message)
        film.write(message[HEADER.size :])
        print(f"picture {number} at sample {start}{', a key frame' if flags & 1 else ''}")

"""Ask a server for a video: speech.wav in, out.mp4 out. `viseme serve` starts one."""

import sys

import viseme

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
with viseme.Client(address) as client:
    for avatar in client.avatars():
        width, height = avatar.size
        print(f"{avatar.name}: {width}x{height}, {avatar.frame_rate_hz:g} pictures a second")
    summary = client.render_file("speech.wav", "out.mp4")
print(f"out.mp4: {summary.pictures} pictures, {summary.duration_s:.2f} s")

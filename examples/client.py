"""Ask a server for a video: speech.wav in, out.mp4 out. `viseme serve` starts one."""

import sys

import viseme

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
with viseme.Client(address) as client:
    for avatar in client.avatars():
        print(
            f"{avatar.name}: {avatar.size[0]}x{avatar.size[1]}, {avatar.frame_rate_hz:g} a second"
        )
    summary = client.render_file("speech.wav", "out.mp4")
print(f"out.mp4: {summary.pictures} pictures, {summary.duration_s:.2f} s")

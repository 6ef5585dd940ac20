"""The contract of existing clients, from Python: faces and audio windows in, new faces out.

`viseme testdata faces` makes the folder that this reads.
"""

import json
import sys
from pathlib import Path

import numpy as np

import viseme

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
folder = Path("faces")
shapes = json.loads((folder / "metadata.json").read_text("utf-8"))
visual = np.fromfile(folder / "visual_input.bin", "<f4").reshape(shapes["visual_shape"])
windows = np.fromfile(folder / "audio_input.bin", "<f4").reshape(shapes["audio_shape"])

with viseme.Client(address) as client:
    for start in range(0, len(visual), 25):
        batch = slice(start, start + 25)
        # A window for each frame, as the networks were trained; one for all is accepted too.
        result = client.infer_batch(visual[batch], windows[batch], start_frame=start)
        print(f"{len(result.output)} faces in {result.inference_time_ms:.1f} ms")

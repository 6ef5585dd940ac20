"""The last room before the door: finished frames and their sound to a file or a stream."""

from viseme.video.sound import Sound, make_sound
from viseme.video.speech_to_file import Progress, RenderReport, render_file
from viseme.video.streaming import StreamKind, stream_video
from viseme.video.target import OutputKind, Target
from viseme.video.writer import VideoWriter, open_video, write_video

__all__ = [
    "OutputKind",
    "Progress",
    "RenderReport",
    "Sound",
    "StreamKind",
    "Target",
    "VideoWriter",
    "make_sound",
    "open_video",
    "render_file",
    "stream_video",
    "write_video",
]

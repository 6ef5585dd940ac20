"""What is said in a live session: the client's sound, or a text of which the server makes it."""

from __future__ import annotations

from collections import deque

from viseme.audio import Samples
from viseme.errors import VisemeError
from viseme.voices import Stop, Utterance

__all__ = ["LiveSpeech", "LiveText"]


class LiveSpeech:
    """A stretch of sound that is one to the network. What changes is the exchange's."""

    def __init__(self, start_sample: int) -> None:
        self.start_sample = start_sample
        """The position of its first sample, in those of the client."""
        self.late = False
        """It began after the client was told that the server ends."""
        self.blocks: deque[Samples] = deque()
        self.ended = False
        """No more sound belongs to it."""
        self.forgotten = False
        """Nothing more of it is wanted."""


class LiveText(LiveSpeech):
    """A speech whose sound the server makes; its place is known when its turn has come."""

    def __init__(self, utterance: Utterance) -> None:
        super().__init__(start_sample=0)
        self.utterance = utterance
        self.stop = Stop()
        """Set once nothing more of it is wanted."""
        self.fault: VisemeError | None = None
        """Why it could not be said to its end."""

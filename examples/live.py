"""Speak along: sound goes to a server as if from a microphone, pictures come back as they are due.

speech.wav is to have 16-bit samples; its pictures go to live_0000.jpg and on. Where the server can
speak (`live.ready.voices`), `await live.say("Hello.")` takes the place of `push`; the sound that is
heard then comes among `live.events()`, as `LiveSound`.
"""

import asyncio
import sys
import wave
from pathlib import Path

import viseme
from viseme.client import AsyncLive, LiveOptions, RawSound

CHUNK_S = 0.04


async def speak(live: AsyncLive, sound: wave.Wave_read) -> None:
    """Push the sound at the pace at which it would be spoken."""
    while chunk := sound.readframes(int(CHUNK_S * sound.getframerate())):
        await live.push(chunk)
        await asyncio.sleep(CHUNK_S)
    await live.finish()


async def main(address: str) -> None:
    """Send and receive at the same time, which a live stream needs."""
    with wave.open("speech.wav") as sound:
        raw = RawSound(sound.getframerate(), sound.getnchannels(), "s16")
        async with viseme.AsyncClient(address) as client, client.live(LiveOptions(raw=raw)) as live:
            delay_s = live.ready.lookahead_samples / raw.rate_hz
            print(f"{live.ready.avatar} speaks; play the sound {delay_s:.2f} s later.")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(speak(live, sound))
                async for picture in live.pictures():
                    Path(f"live_{picture.index:04d}.jpg").write_bytes(picture.data)
                    print(f"picture {picture.index} at {picture.start_sample / raw.rate_hz:.2f} s")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))

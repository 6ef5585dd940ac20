"""Take the frames one by one, as pictures: keep a still of each second of speech."""

import cv2

import viseme

with viseme.load_avatar("demo") as avatar:
    for frame in viseme.render("speech.wav", avatar):
        if frame.index % avatar.rate_hz == 0:
            cv2.imwrite(f"still_{frame.time_s:.0f}.png", frame.image)

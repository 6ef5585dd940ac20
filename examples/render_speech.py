"""Make the built-in avatar speak: speech.wav in, out.mp4 out."""

import viseme

avatar = viseme.load_avatar("demo")
report = viseme.render_file("speech.wav", avatar, "out.mp4")
print(f"{report.out}: {report.frames} frames, real-time factor {report.real_time_factor:.2f}")

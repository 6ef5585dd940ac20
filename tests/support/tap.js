/** Tells when there begins to be sound, and when there is none any more, to the sample. */
const LOUD = 0.05;
const QUIET_S = 0.02;

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.isLoud = false;
    this.lastLoud = -Infinity;
  }

  /** @param {Float32Array[][]} inputs */
  process([input]) {
    const samples = input[0] ?? [];
    for (let i = 0; i < samples.length; i += 1) {
      if (Math.abs(samples[i]) > LOUD) {
        this.lastLoud = currentTime + i / sampleRate;
        if (!this.isLoud) this.tell(this.lastLoud, true);
      }
    }
    if (this.isLoud && currentTime - this.lastLoud > QUIET_S) this.tell(this.lastLoud, false);
    return true;
  }

  /**
   * @param {number} at
   * @param {boolean} isLoud
   */
  tell(at, isLoud) {
    this.isLoud = isLoud;
    this.port.postMessage({ at, isLoud });
  }
}

registerProcessor("tap", Tap);

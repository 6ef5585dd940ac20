/** Where the page is heard: what is played goes through its volume, and its time is the clock of all. */

/** By how much the two clocks of the sound may differ: more than is ever rendered at once. */
const STEP_S = 0.05;

export class Loudspeaker {
  constructor() {
    this.context = new AudioContext({ latencyHint: "interactive" });
    /** What all is played into. */
    this.volume = this.context.createGain();
    this.volume.connect(this.context.destination);
  }

  get sampleRate() {
    return this.context.sampleRate;
  }

  /** What is heard now, in seconds of the clock of the sound. */
  get heard() {
    const { context } = this;
    const about = context.currentTime - (context.outputLatency || 0);
    // That goes in steps of what is rendered at once, 10 to 20 ms. The loudspeaker's own word is
    // finer, where there is one; while there is no sound it stands still.
    const { contextTime = 0, performanceTime = 0 } = context.getOutputTimestamp?.() ?? {};
    const exact = contextTime + (performance.now() - performanceTime) / 1000;
    return performanceTime > 0 && Math.abs(exact - about) < STEP_S ? exact : about;
  }

  /**
   * Give what is played to someone who records it; only so long, for it costs as much as playing does.
   * @returns {{tracks: MediaStreamTrack[], end: () => void}}
   */
  recorded() {
    const node = this.context.createMediaStreamDestination();
    this.volume.connect(node);
    return { tracks: node.stream.getAudioTracks(), end: () => this.volume.disconnect(node) };
  }

  /** @param {boolean} value */
  set muted(value) {
    this.volume.gain.value = value ? 0 : 1;
  }

  /** Browsers keep a page silent until someone has clicked in it. */
  async resume() {
    await this.context.resume();
  }

  close() {
    void this.context.close();
  }
}

/**
 * What one hears and sees of the avatars in a page, noted without touching them: pixels are read after
 * each drawing, and a tap listens beside the loudspeaker. Runs before the page's own scripts.
 *
 * @typedef {object} Seen a picture that differs from the one before it
 * @property {number} heardAt what left the loudspeaker at that moment, by the clock of the sound
 * @property {number} clock the clock of the sound, which is ahead of what is heard by its latency
 * @property {number} ms `performance.now()`
 * @property {number} face how light the face is, 0..255
 * @property {number} strip likewise of the strip that tells frames apart
 * @typedef {{at: number, isLoud: boolean}} Heard by the clock of the sound
 * @typedef {object} Log
 * @property {number | null} firstMs when there was anything to be seen
 * @property {Seen[]} seen
 * @property {Heard[]} heard
 * @property {Heard[]} captured what the microphone heard
 * @property {AudioNode | null} ear what listens to microphones, in the context that is listened to
 */

const FACE = [0.5, 0.45];
const STRIP = [0.5, 0.95];
const SAME = 10;

class Gauge {
  constructor() {
    /** @type {Map<any, Log>} */
    this.logs = new Map();
    this.await();
  }

  /** Ask for a beat after the page has asked for its own, so that what it draws in it is there. */
  await() {
    setTimeout(() => requestAnimationFrame(() => this.beat()));
  }

  /** @returns {any[]} */
  get avatars() {
    return [...document.querySelectorAll("viseme-avatar")].filter((each) => "canvas" in each);
  }

  /** @param {any} avatar */
  log(avatar) {
    let log = this.logs.get(avatar);
    if (!log) {
      log = { firstMs: null, seen: [], heard: [], captured: [], ear: null };
      this.logs.set(avatar, log);
    }
    return log;
  }

  beat() {
    this.await();
    for (const avatar of this.avatars) {
      const log = this.log(avatar);
      const seen = look(avatar);
      if (!seen) continue;
      log.firstMs ??= seen.ms;
      const last = log.seen.at(-1);
      if (last && Math.abs(last.face - seen.face) < SAME && Math.abs(last.strip - seen.strip) < SAME) continue;
      log.seen.push(seen);
    }
  }

  /**
   * Listen to what each avatar says, and to its microphone where it has one.
   * @param {string} script that of the tap
   */
  async tap(script) {
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    for (const avatar of this.avatars) {
      const log = this.log(avatar);
      const { context, volume } = avatar.sound;
      if (log.ear?.context !== context) {
        await context.audioWorklet.addModule(url);
        volume.connect(tap(context, log.heard));
        log.ear = tap(context, log.captured);
      }
      avatar.microphone?.source.connect(log.ear);
    }
  }

  /** What was noted of each avatar; begins anew. */
  take() {
    return this.avatars.map((avatar) => {
      const { firstMs, seen, heard, captured } = this.log(avatar);
      return {
        firstMs,
        lookaheadS: avatar.lookahead_s,
        seen: seen.splice(0),
        heard: heard.splice(0),
        captured: captured.splice(0),
      };
    });
  }

  /**
   * Say a file in each avatar.
   * @param {string} url
   */
  async speak(url) {
    const sound = await (await fetch(url)).blob();
    await Promise.all(this.avatars.map((avatar) => avatar.speakFile(sound)));
  }

  /** Break in upon each, all at once. @returns {number} when, in ms */
  interrupt() {
    const now = performance.now();
    for (const avatar of this.avatars) avatar.interrupt();
    return now;
  }
}

/**
 * @param {any} avatar
 * @returns {Seen | null} null before there is anything
 */
function look({ canvas, loudspeaker }) {
  const context = canvas.getContext("2d");
  const pixel = (/** @type {number[]} */ [x, y]) =>
    context.getImageData(Math.round(x * canvas.width), Math.round(y * canvas.height), 1, 1).data;
  const [, face, , opacity] = pixel(FACE);
  if (!opacity || !loudspeaker) return null;
  const clock = loudspeaker.context.currentTime;
  const { contextTime, performanceTime } = loudspeaker.context.getOutputTimestamp();
  const heardAt = contextTime + (performance.now() - performanceTime) / 1000;
  return { heardAt, clock, ms: performance.now(), face, strip: pixel(STRIP)[1] };
}

/**
 * @param {AudioContext} context
 * @param {Heard[]} log
 */
function tap(context, log) {
  const node = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
  node.port.onmessage = ({ data }) => log.push(data);
  return node;
}

/** @type {any} */ (globalThis).gauge = new Gauge();

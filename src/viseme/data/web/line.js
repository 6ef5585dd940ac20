/**
 * The line to a server: docs/live.md, spoken from a page. It opens again by itself, with back-off.
 *
 * @typedef {{type: string, [name: string]: any}} Words
 * @typedef {object} Picture
 * @property {boolean} isKey whether decoding may begin with it
 * @property {boolean} atRest whether nobody speaks in it
 * @property {number} number its place in the conversation
 * @property {number} start the sample with which it is to be seen
 * @property {number} duration in samples
 * @property {Uint8Array} data
 */

export const VERSION = 1;
const HEADER_BYTES = 20;
const SOUND = 2;
const KEY_FRAME = 1;
const AT_REST = 2;
/** What the server says of a speech. */
const OF_SPEECH = ["saying", "refused", "ended"];
const BACK_OFF_MS = [500, 1000, 2000, 4000, 8000];

/**
 * Read the header before a picture.
 * @param {ArrayBuffer} message
 * @returns {Picture}
 */
export function readPicture(message) {
  const view = new DataView(message);
  const flags = view.getUint8(1);
  return {
    isKey: (flags & KEY_FRAME) !== 0,
    atRest: (flags & AT_REST) !== 0,
    number: view.getUint32(4, true),
    start: Number(view.getBigUint64(8, true)),
    duration: view.getUint32(16, true),
    data: new Uint8Array(message, HEADER_BYTES),
  };
}

/**
 * Write samples in the form that the hello has promised.
 * @param {Float32Array} samples
 */
function asS16(samples) {
  const numbers = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    numbers[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32767)));
  }
  return numbers;
}

/**
 * Events: `ready`, `lost` (with `retryMs`, or null where it is of no use to try again), `refused`
 * (an error of the server), `interrupted` (with `shift`), `words`, `picture` and `sound`; each has its
 * subject in `detail`. After an interrupt nothing comes of what was said before it.
 */
export class Line extends EventTarget {
  /**
   * @param {string} url
   * @param {Words} hello what is said first, each time
   */
  constructor(url, hello) {
    super();
    this.url = url;
    this.hello = hello;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.isReady = false;
    this.wanted = false;
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.received = 0;
    /** Where it stands: how many samples are on it, those of the server's texts too. */
    this.position = 0;
    /** Interrupts that were not answered, and where it stood at the last of them. */
    this.interrupts = 0;
    this.interruptedAt = 0;
    /** Whether the server has waited for this page in vain: it slept, and nothing is wrong with it. */
    this.hasSlept = false;
  }

  open() {
    this.wanted = true;
    clearTimeout(this.timer);
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify(this.hello));
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.#hear(data);
    };
    socket.onclose = ({ code }) => {
      if (this.socket === socket) this.#lose(code);
    };
  }

  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.isReady = false;
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  /** @param {Words} words */
  say(words) {
    if (this.isReady) this.socket?.send(JSON.stringify(words));
  }

  /** @param {Float32Array} samples mono, -1..1 */
  push(samples) {
    if (!this.isReady) return;
    this.socket?.send(asS16(samples));
    this.position += samples.length;
  }

  /** Let the server forget what is being said. */
  interrupt() {
    this.interrupts += 1;
    this.interruptedAt = this.position;
    this.say({ type: "interrupt" });
  }

  /** Whether the server has not forgotten yet what it was to forget. */
  get isForgetting() {
    return this.interrupts > 0;
  }

  /** Bytes that the browser still has to send. */
  get unsent() {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** @param {string | ArrayBuffer} data */
  #hear(data) {
    if (typeof data !== "string") {
      this.received += data.byteLength;
      if (this.isForgetting) return;
      const isSound = new DataView(data).getUint8(0) === SOUND; // whose header has the same places
      this.#tell(isSound ? "sound" : "picture", readPicture(data));
      return;
    }
    const words = /** @type {Words} */ (JSON.parse(data));
    if (words.type === "ready") {
      this.isReady = true;
      this.failures = 0;
      this.position = 0;
      this.interrupts = 0;
      this.#tell("ready", words);
    } else if (words.type === "error" && words.code === "DEADLINE_EXCEEDED") {
      this.hasSlept = true;
    } else if (words.type === "error") {
      this.#tell("refused", words);
    } else if (words.type === "interrupted") {
      this.#goOn(words.next_sample);
    } else if (!this.isForgetting || !OF_SPEECH.includes(words.type)) {
      this.#tell("words", words);
    }
  }

  /**
   * The server has forgotten what it was to forget: from there on is what was sent since.
   * @param {number} position
   */
  #goOn(position) {
    this.interrupts -= 1;
    if (this.interrupts > 0) return;
    const shift = position - this.interruptedAt;
    this.position += shift;
    this.#tell("interrupted", { shift });
  }

  /** @param {number} code */
  #lose(code) {
    this.isReady = false;
    this.socket = null;
    if (!this.wanted) return;
    const { hasSlept } = this;
    this.hasSlept = false;
    // 1008: what was said was wrong, and would be again.
    if (code === 1008 && !hasSlept) {
      this.wanted = false;
      this.#tell("lost", { retryMs: null });
      return;
    }
    const retryMs = BACK_OFF_MS[Math.min(this.failures, BACK_OFF_MS.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), retryMs);
    this.#tell("lost", { retryMs });
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * A speech: where it stands on the line, and when it is heard.
 *
 * @typedef {import("./line.js").Line} Line
 * @typedef {import("./line.js").Picture} Picture
 * @typedef {import("./loudspeaker.js").Loudspeaker} Loudspeaker
 */

/** What is sent at once: a message costs a server more than what is in it. */
const PIECE_S = 0.2;
/** How far ahead of what is heard a file is sent: an interrupt has as much to forget. */
const AHEAD_S = 6;
/** After the first picture, so that the next ones are there in time. */
export const CUSHION_S = 0.12;
/** A picture that comes later than this is waited for, and so is the sound. */
export const LATE_S = 0.1;
/** How much is gathered then, so that it does not happen again at once. */
export const WAIT_S = 0.6;

/** What speeches have in common; as it is, one that is never heard and never over. */
export class Speech {
  /**
   * @param {Loudspeaker} sound where it is heard
   * @param {number} start the position of its first sample on the line
   */
  constructor(sound, start) {
    this.sound = sound;
    this.start = start;
    /** @type {number | null} when its first sample is heard, by the clock of the sound */
    this.base = null;
  }

  /** Whether it has been heard to its end. */
  get isOver() {
    return false;
  }

  /**
   * When a picture of it is to be seen, by the clock of the sound.
   * @param {Picture} picture
   */
  dueAt({ start }) {
    return this.base === null ? Infinity : this.base + (start - this.start) / this.sound.sampleRate;
  }

  /**
   * By how many seconds a picture that comes now is too late; less than 0: it is early.
   * @param {Picture} picture
   */
  lateness(picture) {
    return this.sound.heard - this.dueAt(picture);
  }

  /**
   * Begin, wait or hurry, as a picture that has come makes necessary.
   * @param {Picture} _picture
   */
  take(_picture) {}

  /**
   * Do what is due; called again and again while there is a line.
   * @param {Line} _line
   */
  feed(_line) {}

  /** The server has all of its pictures made. */
  end() {}

  /**
   * The server has put it elsewhere on the line, since there was something to forget before it.
   * @param {number} samples by how many
   */
  move(samples) {
    this.start += samples;
  }

  /** Be silent at once. */
  stop() {}

  /** The line is lost: be silent until there is another. */
  lose() {
    this.stop();
  }
}

/** What is in a file: sent ahead, and played from here. */
export class FileSpeech extends Speech {
  /**
   * @param {Loudspeaker} sound
   * @param {number} start
   * @param {Float32Array} samples all of it, in the rate of the sound
   */
  constructor(sound, start, samples) {
    super(sound, start);
    this.samples = samples;
    /** How much of it has been sent. */
    this.sent = 0;
    /** How much had been heard when the line was lost. */
    this.heard = 0;
    /** Whether the server knows that it has all. */
    this.isComplete = false;
    /** Whether all of its pictures have come. */
    this.hasPictures = false;
    /** @type {AudioBufferSourceNode | null} */
    this.source = null;
  }

  get #heardS() {
    return this.base === null ? 0 : this.sound.heard - this.base;
  }

  /** @override */
  get isOver() {
    return this.hasPictures && this.#heardS * this.sound.sampleRate >= this.samples.length;
  }

  /** What had not been heard when the line was lost. */
  get rest() {
    return this.samples.subarray(this.heard);
  }

  /**
   * @override
   * @param {Picture} picture
   */
  take(picture) {
    const late = this.lateness(picture);
    if (this.base === null) this.#play(picture.start - this.start, CUSHION_S);
    else if (late > LATE_S) this.#wait(late);
  }

  /**
   * Send what is due.
   * @override
   * @param {Line} line
   */
  feed(line) {
    const rate = this.sound.sampleRate;
    const piece = Math.round(PIECE_S * rate);
    const untilS = this.#heardS + AHEAD_S;
    while (this.sent < this.samples.length && this.sent / rate < untilS) {
      if (line.unsent > 2 * rate) break;
      const part = this.samples.subarray(this.sent, this.sent + piece);
      line.push(part);
      this.sent += part.length;
    }
    if (this.sent === this.samples.length && !this.isComplete) {
      this.isComplete = true;
      line.say({ type: "end" });
    }
  }

  /** @override */
  end() {
    this.hasPictures = true;
  }

  /** @override */
  stop() {
    this.source?.stop();
    this.source = null;
  }

  /** @override */
  lose() {
    // Once: each line that cannot be opened is lost, too, and nothing is heard meanwhile.
    if (this.source) {
      this.heard = Math.max(0, Math.round(this.#heardS * this.sound.sampleRate));
    }
    this.stop();
  }

  /**
   * Begin to play, or go on.
   * @param {number} position in its samples
   * @param {number} cushion seconds until it is heard
   */
  #play(position, cushion) {
    const { context, sampleRate, volume } = this.sound;
    const samples = /** @type {Float32Array<ArrayBuffer>} */ (this.samples);
    const buffer = context.createBuffer(1, samples.length, sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(volume);
    const begin = context.currentTime + cushion;
    const offset = position / sampleRate;
    this.base = begin - offset;
    source.start(begin, offset);
    this.source = source;
  }

  /**
   * The server is behind: let the sound wait where it is, until there are pictures again.
   * @param {number} late in seconds
   */
  #wait(late) {
    const { context, sampleRate } = this.sound;
    const position = (context.currentTime - /** @type {number} */ (this.base)) * sampleRate;
    if (!this.source || position >= this.samples.length) return;
    this.stop();
    this.#play(Math.max(0, position), late + WAIT_S);
  }
}

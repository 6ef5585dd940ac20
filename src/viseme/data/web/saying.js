/**
 * Texts that the server says: from when they are typed until they are heard to their end.
 *
 * @typedef {import("./line.js").Line} Line
 * @typedef {import("./line.js").Picture} Picture
 * @typedef {import("./loudspeaker.js").Loudspeaker} Loudspeaker
 * @typedef {import("./voice.js").Sound} Sound
 * @typedef {object} Text
 * @property {string} text
 * @property {string} voice by which it is said; empty for the server's first
 * @property {number | null} end the position after its last sample; null before that is known
 */

import { CUSHION_S, LATE_S, Speech, WAIT_S } from "./speaking.js";
import { SoundReader, Voice, wantedSound } from "./voice.js";

/** Those that were not heard to their end, which outlive a line that is lost; and how their sound is read. */
export class Texts {
  constructor() {
    /** @type {Text[]} */
    this.all = [];
    /** @type {SoundReader | null} */
    this.reader = null;
  }

  get isEmpty() {
    return this.all.length === 0;
  }

  /**
   * @param {string} text
   * @param {string} voice
   * @returns {Text}
   */
  add(text, voice) {
    const added = { text, voice, end: null };
    this.all.push(added);
    return added;
  }

  /**
   * Read what comes on a new line.
   * @param {number} rateHz that of the page's sound
   * @param {number} skip how many samples come of a decoder before a text's first
   * @param {(sound: Sound) => void} onSound
   */
  open(rateHz, skip, onSound) {
    this.reader?.clear();
    this.reader = new SoundReader(wantedSound(rateHz), skip, onSound);
  }

  /**
   * The first whose end was not known has come to it.
   * @param {number} position
   */
  end(position) {
    this.reader?.end();
    const text = this.all.find(({ end }) => end === null);
    if (text) text.end = position;
  }

  /**
   * Forget those that have been heard.
   * @param {number} position up to which all has been; Infinity where there was nothing to be heard
   */
  drop(position) {
    this.all = this.all.filter(({ end }) => end === null || end > position);
  }

  /** Forget all. */
  clear() {
    this.reader?.clear();
    this.all = [];
  }
}

/** Texts that follow each other: one stretch of the line, whose sound comes piece by piece. */
export class TextSpeech extends Speech {
  /**
   * @param {Loudspeaker} sound
   * @param {Texts} texts
   */
  constructor(sound, texts) {
    super(sound, NaN); // known when the turn of the first of them has come
    this.texts = texts;
    this.voice = new Voice(sound.context, sound.volume);
  }

  /** @override */
  get isOver() {
    return this.texts.isEmpty;
  }

  /** @param {number} position where a text begins; another one goes on where the one before ends */
  begin(position) {
    if (!Number.isNaN(this.start)) return;
    this.start = position;
    this.voice.end = position;
  }

  /** @param {Sound} sound */
  add(sound) {
    this.voice.add(sound);
    this.#follow();
  }

  /**
   * Let what is heard begin with its first picture, and wait where one is late.
   * @override
   * @param {Picture} picture
   */
  take(picture) {
    const late = this.lateness(picture);
    if (this.base === null) this.voice.begin(picture.start, CUSHION_S);
    else if (late > LATE_S) this.voice.wait(late + WAIT_S);
    this.#follow();
  }

  /**
   * Notice which texts have been heard.
   * @override
   * @param {Line} _line
   */
  feed(_line) {
    if (this.voice.pieces.length > 0) this.texts.drop(this.#heardTo);
    else if (!this.texts.reader?.isReading) this.texts.drop(Infinity);
  }

  /**
   * Stay: the server says where a text begins when its turn has come.
   * @override
   * @param {number} _samples
   */
  move(_samples) {}

  /** @override */
  stop() {
    this.voice.stop();
  }

  get #heardTo() {
    if (this.base === null) return 0;
    return this.start + (this.sound.heard - this.base) * this.sound.sampleRate;
  }

  #follow() {
    if (this.voice.zero !== null) this.base = this.voice.zero + this.start / this.sound.sampleRate;
  }
}

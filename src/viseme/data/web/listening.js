/**
 * The microphone: asked for, cut into pieces, heard again with its pictures, and shown as soon as
 * they allow.
 *
 * @typedef {import("./line.js").Picture} Picture
 * @typedef {import("./loudspeaker.js").Loudspeaker} Loudspeaker
 */

import { Margin } from "./margin.js";
import { Speech } from "./speaking.js";

/** It is not shown later than this; what waits is left out instead. */
const LATEST_S = 2;

/** What is said where a browser does not give a microphone, by the name of its error. */
const REFUSALS = new Map([
  ["NotAllowedError", "The microphone was not allowed; allow it in the address bar."],
  ["NotFoundError", "There is no microphone; connect one."],
  ["NotReadableError", "Another program has the microphone; close that, and try again."],
]);
const NOT_LOADED = "What hears the microphone could not be loaded; try again.";

/**
 * Ask for the microphone, and load what cuts it into pieces.
 * @param {() => Loudspeaker} soundNow another one where the line was opened anew while the browser asked
 * @returns {Promise<MediaStream>}
 * @throws {Error} with a sentence for who uses the page
 */
export async function askForMicrophone(soundNow) {
  if (!navigator.mediaDevices || !soundNow().context.audioWorklet) {
    throw new Error("The browser gives the microphone to pages over HTTPS or of this machine only.");
  }
  /** @type {MediaStream | null} */
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
    await soundNow().context.audioWorklet.addModule(new URL("microphone.js", import.meta.url));
    return stream;
  } catch (error) {
    if (stream) giveBack(stream);
    throw new Error(
      stream ? NOT_LOADED : (REFUSALS.get(/** @type {Error} */ (error).name) ?? `There is no microphone: ${error}`),
    );
  }
}

/**
 * Let go of a microphone: the browser shows for as long that it is heard.
 * @param {MediaStream} stream
 */
export function giveBack(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * What cuts into pieces, one for all turns: browsers keep some memory for each that there has been.
 * @type {WeakMap<AudioContext, AudioWorkletNode>}
 */
const cutters = new WeakMap();
let turns = 0;

/** @param {AudioContext} context */
function cutterOf(context) {
  let cutter = cutters.get(context);
  if (!cutter) {
    cutter = new AudioWorkletNode(context, "viseme-microphone", { numberOfOutputs: 0 });
    cutters.set(context, cutter);
  }
  return cutter;
}

/** A microphone that is heard until it is stopped. */
export class Microphone {
  /**
   * @param {MediaStream} stream
   * @param {Loudspeaker} sound
   * @param {number} lookaheadS that of the pictures
   */
  constructor(stream, sound, lookaheadS) {
    this.stream = stream;
    this.sound = sound;
    this.lookaheadS = lookaheadS;
    /** Of its delay, beyond the look-ahead. */
    this.margin = new Margin();
    /** @type {((samples: Float32Array, end: number) => void) | null} with when the last was heard */
    this.onPiece = null;
    /** @type {(() => void) | null} the server is so far behind that what waits is to be forgotten */
    this.onBehind = null;
    const { context, volume } = sound;
    this.source = context.createMediaStreamSource(stream);
    const turn = ++turns;
    this.cutter = cutterOf(context);
    this.cutter.port.onmessage = ({ data }) => {
      if (data.turn === turn) this.onPiece?.(data.samples, data.end);
    };
    this.cutter.port.postMessage(turn);
    this.delay = context.createDelay(1 + lookaheadS + LATEST_S);
    this.delay.delayTime.value = this.delayS;
    this.echoing = context.createGain();
    this.source.connect(this.cutter);
    this.source.connect(this.delay).connect(this.echoing).connect(volume);
  }

  /** How much later than it is heard the microphone is shown. */
  get delayS() {
    return this.lookaheadS + this.margin.seconds;
  }

  /** @param {boolean} value whether it is heard, with its pictures */
  set echo(value) {
    this.echoing.gain.value = value ? 1 : 0;
  }

  /**
   * Learn from a picture, and show those to come as soon as they allow.
   * @param {number} late by how many seconds it was; less than 0: it came early
   * @returns {number} by how many seconds later the speech is to be shown
   */
  adapt(late) {
    let change = this.margin.learn(-late);
    if (!change) return 0;
    if (this.margin.seconds > LATEST_S) {
      this.margin = new Margin();
      change = 0;
      this.onBehind?.(); // begun again with the next piece
    }
    this.delay.delayTime.value = this.delayS;
    return change;
  }

  stop() {
    giveBack(this.stream);
    this.source.disconnect();
    this.cutter.port.onmessage = null;
    this.delay.disconnect();
    this.echoing.disconnect();
  }
}

/** What a microphone hears, sent piece by piece as it comes. */
export class MicrophoneSpeech extends Speech {
  /**
   * @param {Microphone} microphone
   * @param {number} start
   * @param {number} begin when its first sample was heard
   */
  constructor(microphone, start, begin) {
    super(microphone.sound, start);
    this.microphone = microphone;
    this.base = begin + microphone.delayS;
  }

  /**
   * @override
   * @param {Picture} picture
   */
  take(picture) {
    const change = this.microphone.adapt(this.lateness(picture));
    if (this.base !== null) this.base += change;
  }

  /**
   * How much later than the look-ahead a picture is shown that is drawn now, in seconds.
   * @param {Picture} picture
   */
  delayOf(picture) {
    const { delayS, lookaheadS } = this.microphone;
    return this.sound.context.currentTime - this.dueAt(picture) + delayS - lookaheadS;
  }
}

/**
 * `<viseme-avatar src="wss://…/v1/live" avatar="demo">`: a talking avatar for any page.
 *
 * Attributes: `src` (the socket; that of the page's own server without it), `avatar`, `token`,
 * `latency` (`exact`, or `low` for pictures sooner, which are a little less exact), `fit` (pictures no
 * larger than the element is when it connects: less work and a lighter line for an avatar shown small).
 * Methods: `speak(samples, rate)`, `speakFile(file)`, `say(text, voice)`, `listen()`, `interrupt()`,
 * `record()`, `connect()`, `disconnect()`. Properties: `muted`, `echo` (the microphone is heard, with the
 * pictures). Events: `state` (detail: `connecting`, `resting`, `speaking`, `listening`, `lost`,
 * `closed`), `fault` (a sentence), `voices` (by which texts can be said; none where the server has
 * nothing to speak with) and `stats`.
 *
 * @typedef {import("./line.js").Picture} Picture
 * @typedef {import("./line.js").Words} Words
 * @typedef {import("./saying.js").Text} Text
 * @typedef {import("./speaking.js").Speech} Speech
 */

import { Figures, STATS_MS } from "./figures.js";
import { addressFor, helloOf } from "./hello.js";
import { Line } from "./line.js";
import { Microphone, MicrophoneSpeech, askForMicrophone, giveBack } from "./listening.js";
import { Loudspeaker } from "./loudspeaker.js";
import { record } from "./recording.js";
import { resampled, samplesOf } from "./samples.js";
import { TextSpeech, Texts } from "./saying.js";
import { Screen } from "./screen.js";
import { FileSpeech } from "./speaking.js";

const FEED_MS = 40;

/** Not in the page's text, which the policy of a site may forbid. */
const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
  :host { display: block; }
  canvas { display: block; width: 100%; height: 100%; object-fit: contain; border-radius: inherit; }
`);

export class VisemeAvatar extends HTMLElement {
  static observedAttributes = ["src", "avatar", "token", "latency", "fit"];

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [STYLE];
    this.canvas = document.createElement("canvas");
    this.canvas.width = 1280;
    this.canvas.height = 720;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "The avatar");
    root.append(this.canvas);
    /** @type {Line | null} */
    this.line = null;
    /** @type {Screen | null} */
    this.screen = null;
    /** @type {Loudspeaker | null} */
    this.loudspeaker = null;
    /** @type {Speech | null} what is being said */
    this.speech = null;
    /** @type {Microphone | null} */
    this.microphone = null;
    this.lookahead_s = 0.5;
    this.texts = new Texts();
    /** @type {string[]} by which texts can be said */
    this.voices = [];
    this.textCharacters = 0;
    this.state = "closed";
    this.isMuted = false;
    this.hasEcho = false;
    this.figures = new Figures();
  }

  connectedCallback() {
    this.connect();
  }

  disconnectedCallback() {
    this.disconnect();
  }

  attributeChangedCallback() {
    if (this.line && this.isConnected) {
      this.disconnect();
      this.connect();
    }
  }

  /** Where it is heard. @returns {Loudspeaker} */
  get sound() {
    if (!this.loudspeaker) {
      this.loudspeaker = new Loudspeaker();
      this.loudspeaker.muted = this.isMuted;
    }
    return this.loudspeaker;
  }

  get muted() {
    return this.isMuted;
  }

  set muted(value) {
    this.isMuted = value;
    if (this.loudspeaker) this.loudspeaker.muted = value;
  }

  get echo() {
    return this.hasEcho;
  }

  set echo(value) {
    this.hasEcho = value;
    if (this.microphone) this.microphone.echo = value;
  }

  connect() {
    if (this.line) return;
    const line = new Line(addressFor(this), helloOf(this, this.sound.sampleRate));
    this.line = line;
    this.screen = new Screen(
      this.canvas,
      (picture) => this.#dueAt(picture),
      () => this.loudspeaker?.heard ?? 0,
    );
    this.screen.onError = () => line.say({ type: "key_frame" });
    this.screen.onShown = (picture) => this.#noteShown(picture);
    line.addEventListener("ready", (event) => this.#begin(detail(event)));
    line.addEventListener("picture", (event) => this.#take(detail(event)));
    line.addEventListener("sound", (event) => this.texts.reader?.add(detail(event)));
    line.addEventListener("interrupted", (event) => this.speech?.move(detail(event).shift));
    line.addEventListener("words", (event) => this.#hear(detail(event)));
    line.addEventListener("refused", (event) => this.#tell("fault", detail(event).message));
    line.addEventListener("lost", (event) => this.#lose(detail(event).retryMs));
    this.figures = new Figures();
    this.#enter("connecting");
    line.open();
    this.feeding = setInterval(() => this.#feed(), FEED_MS);
    this.counting = setInterval(() => this.#count(), STATS_MS);
  }

  disconnect() {
    clearInterval(this.feeding);
    clearInterval(this.counting);
    this.#hush();
    this.#stopMicrophone();
    this.line?.close();
    this.line = null;
    this.screen?.end();
    this.screen = null;
    this.loudspeaker?.close();
    this.loudspeaker = null;
    this.#enter("closed");
  }

  /**
   * Say something.
   * @param {Float32Array} samples mono, -1..1
   * @param {number} rate samples a second
   */
  async speak(samples, rate = this.sound.sampleRate) {
    await this.sound.resume();
    if (this.speech || this.microphone) this.interrupt();
    const { sampleRate } = this.sound;
    // What needs no other rate is begun at once, or another one that is to be said would not break it off.
    this.#speak(rate === sampleRate ? samples : await resampled(samples, rate, sampleRate));
  }

  /**
   * Say what is in a file of sound.
   * @param {Blob} file
   */
  async speakFile(file) {
    await this.sound.resume();
    let samples;
    try {
      samples = await samplesOf(this.sound.context, file);
    } catch {
      this.#tell("fault", "This file has no sound that the browser can read; try WAV, MP3 or M4A.");
      return;
    }
    await this.speak(samples);
  }

  /**
   * Say a text, after those that are being said; anything else that is said is broken off. While the
   * line is lost it waits.
   * @param {string} text
   * @param {string} voice one of `voices`; the first without it
   */
  async say(text, voice = "") {
    await this.sound.resume();
    if (!this.line) return;
    const isSaying = this.speech instanceof TextSpeech;
    if (this.microphone || (this.speech && !isSaying)) this.interrupt();
    const added = this.texts.add(text, voice);
    if (this.line.isReady) this.#sendText(added);
  }

  /** Let the avatar say what the microphone hears, until `interrupt`. */
  async listen() {
    await this.sound.resume();
    if (this.microphone) return;
    let stream;
    try {
      stream = await askForMicrophone(() => this.sound);
    } catch (error) {
      this.#tell("fault", /** @type {Error} */ (error).message);
      return;
    }
    // It was disconnected while the browser asked, or asked twice.
    if (!this.line || this.microphone) return giveBack(stream);
    this.#forget();
    const microphone = new Microphone(stream, this.sound, this.lookahead_s);
    microphone.echo = this.hasEcho;
    microphone.onPiece = (samples, end) => this.#hearMicrophone(microphone, samples, end);
    microphone.onBehind = () => this.#forget();
    this.microphone = microphone;
    this.#enter("listening");
  }

  /** Break in: what was to be said is forgotten. */
  interrupt() {
    this.#stopMicrophone();
    this.#forget();
    if (this.line?.isReady) this.#enter("resting");
  }

  /** Record picture and sound until the returned function is called, which gives the film. */
  record() {
    return record(this.canvas, this.sound);
  }

  /** @param {Words} ready */
  #begin(ready) {
    const rate = this.sound.sampleRate;
    this.voices = ready.voices;
    this.textCharacters = ready.text_characters;
    this.texts.open(rate, ready.sound_skip_samples, (sound) => {
      if (this.speech instanceof TextSpeech) this.speech.add(sound);
    });
    this.#tell("voices", ready.voices);
    this.lookahead_s = ready.lookahead_samples / rate;
    this.screen?.begin(ready.codec, ready.width, ready.height);
    this.canvas.setAttribute("aria-label", `The avatar ${ready.avatar}`);
    this.#goOn();
  }

  /** Say on a new line what was not said to its end on the one before. */
  #goOn() {
    const { speech } = this;
    if (this.microphone) {
      this.microphone.lookaheadS = this.lookahead_s;
      this.speech = null; // begun again with the next piece
      this.#enter("listening");
    } else if (!this.texts.isEmpty) {
      // A text that was not heard to its end is said again.
      this.speech = null;
      for (const text of this.texts.all) this.#sendText(text);
    } else if (speech instanceof FileSpeech) {
      // The line was lost in the middle: go on with what was not heard yet.
      this.#speak(speech.rest);
    } else {
      this.#enter("resting");
    }
  }

  /** @param {number | null} retryMs */
  #lose(retryMs) {
    this.speech?.lose();
    if (retryMs === null) this.#hush();
    this.#enter(retryMs === null ? "closed" : "lost");
  }

  /** @param {Words} words */
  #hear(words) {
    if (words.type === "saying") this.#beginText(words.start_sample);
    else if (words.type === "refused") this.#endText(words);
    else if (words.type === "ended" && !this.texts.isEmpty) this.#endText(words);
    else if (words.type === "ended") this.speech?.end();
    else if (words.type === "video") this.screen?.change(words.codec);
    else if (words.type === "closing") this.#tell("fault", words.text);
  }

  /** @param {Picture} picture */
  #take(picture) {
    if (!picture.atRest) this.speech?.take(picture);
    this.screen?.add(picture);
  }

  /** @param {Picture} picture */
  #dueAt(picture) {
    return picture.atRest || !this.speech ? -Infinity : this.speech.dueAt(picture);
  }

  /** @param {Float32Array} samples */
  #speak(samples) {
    this.speech = new FileSpeech(this.sound, this.line?.position ?? 0, samples);
    this.#enter("speaking");
    this.#feed();
  }

  /** @param {Text} text */
  #sendText({ text, voice }) {
    this.line?.say({ type: "say", text, ...(voice && { voice }) });
    this.speech ??= new TextSpeech(this.sound, this.texts);
    this.#enter("speaking");
  }

  /** @param {number} position where the text begins */
  #beginText(position) {
    this.texts.reader?.begin();
    if (this.speech instanceof TextSpeech) this.speech.begin(position);
  }

  /** @param {Words} words `ended` or `refused` */
  #endText(words) {
    if (words.type === "refused") this.#tell("fault", words.message);
    if (this.line) this.line.position = words.next_sample;
    this.texts.end(words.next_sample);
  }

  /** Send what is due, and notice the end of what is said. */
  #feed() {
    const { speech, line } = this;
    if (!speech || !line?.isReady) return;
    speech.feed(line);
    if (!speech.isOver) return;
    this.speech = null;
    this.#enter("resting");
  }

  /**
   * @param {Microphone} microphone
   * @param {Float32Array} samples
   * @param {number} end when the last of them was heard
   */
  #hearMicrophone(microphone, samples, end) {
    const { line } = this;
    if (!line?.isReady) return;
    const begin = end - samples.length / this.sound.sampleRate;
    this.speech ??= new MicrophoneSpeech(microphone, line.position, begin);
    line.push(samples);
  }

  #stopMicrophone() {
    this.microphone?.stop();
    this.microphone = null;
  }

  /** Forget what is being said, here and on the other side. */
  #forget() {
    const wasSpeaking = this.speech !== null;
    this.#hush();
    if (!wasSpeaking || !this.line?.isReady) return;
    this.screen?.clear();
    this.line.interrupt();
  }

  /** Forget what is being said, on this side. */
  #hush() {
    this.speech?.stop();
    this.speech = null;
    this.texts.clear();
  }

  /** @param {Picture} picture */
  #noteShown(picture) {
    const { figures, speech } = this;
    figures.noteShown();
    // Only of the microphone: all else is sent ahead, and waits by intent.
    if (picture.atRest || !(speech instanceof MicrophoneSpeech)) return;
    figures.delayMs = 1000 * speech.delayOf(picture);
  }

  #count() {
    const { screen, line, figures } = this;
    if (screen && line) this.#tell("stats", figures.count(screen, line));
  }

  /** @param {string} state */
  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.#tell("state", state);
  }

  /**
   * @param {string} name
   * @param {unknown} subject
   */
  #tell(name, subject) {
    this.dispatchEvent(new CustomEvent(name, { detail: subject }));
  }
}

/**
 * @param {Event} event
 * @returns {any}
 */
function detail(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

customElements.define("viseme-avatar", VisemeAvatar);

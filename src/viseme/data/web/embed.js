/**
 * `<viseme-avatar src="wss://…/v1/live" avatar="demo">`: a talking avatar for any page.
 *
 * Attributes: `src` (the socket; that of the page's own server without it), `avatar`, `token`,
 * `latency` (`exact`, or `low` for pictures sooner, which are a little less exact).
 * Methods: `speak(samples, rate)`, `speakFile(file)`, `say(text, voice)`, `listen()`, `interrupt()`,
 * `record()`, `connect()`, `disconnect()`. Properties: `muted`, `echo` (the microphone is heard, with the
 * pictures). Events: `state` (detail: `connecting`, `resting`, `speaking`, `listening`, `lost`,
 * `closed`), `fault` (a sentence), `voices` (by which texts can be said; none where the server has
 * nothing to speak with) and `stats`.
 *
 * @typedef {import("./line.js").Picture} Picture
 * @typedef {import("./line.js").Words} Words
 * @typedef {object} Speech what is being said
 * @property {number} start the position of its first sample on the line
 * @property {Float32Array | null} samples all of it; null of the microphone, and of texts
 * @property {Voice | null} voice what says it, if it is texts
 * @property {number} sent how much of it has been sent
 * @property {number} heard how much had been heard when the line was lost
 * @property {boolean} complete whether the server knows that it has all
 * @property {boolean} over whether all of its pictures have come
 * @property {number | null} base when its first sample is heard, by the clock of the sound
 * @property {AudioBufferSourceNode | null} source
 */

import { Line, VERSION } from "./line.js";
import { Margin } from "./margin.js";
import { Screen, decodesVideo } from "./screen.js";
import { SoundReader, Voice, wantedSound } from "./voice.js";

const PIECE_S = 0.04;
/** How far ahead of what is heard a file is sent: an interrupt has as much to forget. */
const AHEAD_S = 6;
/** After the first picture, so that the next ones are there in time. */
const CUSHION_S = 0.12;
/** A picture that comes later than this is waited for, and so is the sound. */
const LATE_S = 0.1;
/** How much is gathered then, so that it does not happen again at once. */
const WAIT_S = 0.6;
/** The microphone is not shown later than this; what waits is left out instead. */
const LATEST_S = 2;
/** By how much the two clocks of the sound may differ: more than is ever rendered at once. */
const STEP_S = 0.05;
const FEED_MS = 40;
const STATS_MS = 1000;

export class VisemeAvatar extends HTMLElement {
  static observedAttributes = ["src", "avatar", "token", "latency"];

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = `<style>
      :host { display: block; }
      canvas { display: block; width: 100%; height: 100%; object-fit: contain; border-radius: inherit; }
    </style><canvas width="1280" height="720" role="img" aria-label="The avatar"></canvas>`;
    /** @type {HTMLCanvasElement} */
    this.canvas = /** @type {HTMLCanvasElement} */ (root.querySelector("canvas"));
    /** @type {Line | null} */
    this.line = null;
    /** @type {Screen | null} */
    this.screen = null;
    /** @type {AudioContext | null} */
    this.audio = null;
    /** @type {Speech | null} */
    this.speech = null;
    /** @type {MediaStream | null} */
    this.microphone = null;
    this.position = 0;
    this.lookahead_s = 0.5;
    this.isForgetting = false;
    /** Interrupts that were not answered, and where the line stood at the last of them. */
    this.interrupts = 0;
    this.interruptedAt = 0;
    /** @type {{text: string, voice: string, end: number | null}[]} not heard to their end */
    this.texts = [];
    /** @type {string[]} by which texts can be said */
    this.voices = [];
    this.textCharacters = 0;
    /** @type {SoundReader | null} */
    this.reader = null;
    this.state = "closed";
    this.isMuted = false;
    this.hasEcho = false;
    /** Of the microphone's delay, beyond the look-ahead. */
    this.margin = new Margin();
    this.figures = { firstMs: NaN, delayMs: NaN, opened: 0, shown: 0, received: 0 };
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

  /** The clock of all: seconds of sound. @returns {AudioContext} */
  get sound() {
    if (!this.audio) {
      const audio = new AudioContext({ latencyHint: "interactive" });
      this.volume = audio.createGain();
      this.volume.connect(audio.destination);
      this.recorded = audio.createMediaStreamDestination();
      this.volume.connect(this.recorded);
      this.audio = audio;
      this.muted = this.isMuted;
    }
    return this.audio;
  }

  get muted() {
    return this.isMuted;
  }

  set muted(value) {
    this.isMuted = value;
    if (this.audio && this.volume) this.volume.gain.value = value ? 0 : 1;
  }

  get echo() {
    return this.hasEcho;
  }

  set echo(value) {
    this.hasEcho = value;
    if (this.echoing) this.echoing.gain.value = value ? 1 : 0;
  }

  connect() {
    if (this.line) return;
    const sound = this.sound;
    const hello = {
      type: "hello",
      version: VERSION,
      avatar: this.getAttribute("avatar") ?? "",
      token: this.getAttribute("token") ?? "",
      latency: this.getAttribute("latency") ?? "exact",
      sound_back: wantedSound(sound.sampleRate),
      codec: decodesVideo ? "h264" : "jpeg",
      sound: { rate_hz: sound.sampleRate, channels: 1, format: "s16" },
    };
    const line = new Line(this.#address(), hello);
    this.line = line;
    this.screen = new Screen(
      this.canvas,
      (picture) => this.#dueAt(picture),
      () => this.#heard(),
    );
    this.screen.onError = () => line.say({ type: "key_frame" });
    this.screen.onShown = (picture) => this.#noteShown(picture);
    line.addEventListener("ready", (event) => this.#begin(detail(event)));
    line.addEventListener("picture", (event) => this.#take(detail(event)));
    line.addEventListener("sound", (event) => this.#hearSound(detail(event)));
    line.addEventListener("words", (event) => this.#hear(detail(event)));
    line.addEventListener("refused", (event) => this.#tell("fault", detail(event).message));
    line.addEventListener("lost", (event) => this.#lose(detail(event).retryMs));
    this.figures = { firstMs: NaN, delayMs: NaN, opened: performance.now(), shown: 0, received: 0 };
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
    void this.audio?.close();
    this.audio = null;
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
    this.#say(rate === this.sound.sampleRate ? samples : await this.#resampled(samples, rate));
  }

  /**
   * Say what is in a file of sound.
   * @param {Blob} file
   */
  async speakFile(file) {
    await this.sound.resume();
    let decoded;
    try {
      decoded = await this.sound.decodeAudioData(await file.arrayBuffer());
    } catch {
      this.#tell("fault", "This file has no sound that the browser can read; try WAV, MP3 or M4A.");
      return;
    }
    await this.speak(mono(decoded));
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
    if (this.microphone || (this.speech && !this.speech.voice)) this.interrupt();
    this.texts.push({ text, voice, end: null });
    if (this.line.isReady) this.#sendText(text, voice);
  }

  /** Let the avatar say what the microphone hears, until `interrupt`. */
  async listen() {
    await this.sound.resume();
    if (this.microphone) return;
    if (!navigator.mediaDevices || !this.sound.audioWorklet) {
      this.#tell("fault", "The browser gives the microphone to pages over HTTPS or of this machine only.");
      return;
    }
    try {
      this.microphone = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
      await this.sound.audioWorklet.addModule(new URL("microphone.js", import.meta.url));
    } catch (error) {
      const denied = error instanceof DOMException && error.name === "NotAllowedError";
      this.#tell("fault", denied ? "The microphone was not allowed; allow it in the address bar." : "There is no microphone.");
      return;
    }
    if (!this.line) return this.#stopMicrophone(); // it was disconnected while the browser asked
    this.#forget();
    const sound = this.sound;
    const source = sound.createMediaStreamSource(this.microphone);
    const worklet = new AudioWorkletNode(sound, "viseme-microphone", { numberOfOutputs: 0 });
    this.ear = { source, worklet };
    this.margin = new Margin();
    this.delay = sound.createDelay(1 + this.lookahead_s + LATEST_S);
    this.delay.delayTime.value = this.#microphoneDelay();
    this.echoing = sound.createGain();
    this.echo = this.hasEcho;
    source.connect(worklet);
    source.connect(this.delay).connect(this.echoing).connect(/** @type {GainNode} */ (this.volume));
    worklet.port.onmessage = ({ data }) => this.#hearMicrophone(data.samples, data.end);
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
    const stream = this.canvas.captureStream(25);
    for (const track of this.recorded?.stream.getAudioTracks() ?? []) stream.addTrack(track);
    const recorder = new MediaRecorder(stream);
    /** @type {Blob[]} */
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.start(1000);
    return () =>
      /** @type {Promise<Blob>} */ (
        new Promise((resolve) => {
          recorder.onstop = () => resolve(new Blob(pieces, { type: recorder.mimeType }));
          recorder.stop();
        })
      );
  }

  #address() {
    const given = this.getAttribute("src");
    if (given) return given;
    return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`;
  }

  /** @param {Words} ready */
  #begin(ready) {
    this.position = 0;
    this.isForgetting = false;
    this.interrupts = 0;
    this.voices = ready.voices;
    this.textCharacters = ready.text_characters;
    this.reader?.clear();
    this.reader = new SoundReader(
      wantedSound(this.sound.sampleRate),
      ready.sound_skip_samples,
      (sound) => this.#play(sound),
    );
    this.#tell("voices", ready.voices);
    this.lookahead_s = ready.lookahead_samples / this.sound.sampleRate;
    this.screen?.begin(ready.codec, ready.width, ready.height);
    this.canvas.setAttribute("aria-label", `The avatar ${ready.avatar}`);
    const speech = this.speech;
    if (this.microphone) {
      this.speech = null; // begun again with the next piece
      this.#enter("listening");
    } else if (this.texts.length > 0) {
      // A text that was not heard to its end is said again.
      this.speech = null;
      for (const { text, voice } of this.texts) this.#sendText(text, voice);
    } else if (speech?.samples) {
      // The line was lost in the middle: go on with what was not heard yet.
      this.#say(speech.samples.subarray(speech.heard));
    } else {
      this.#enter("resting");
    }
  }

  /** @param {number | null} retryMs */
  #lose(retryMs) {
    const speech = this.speech;
    if (speech && speech.base !== null) {
      const heard = (this.#heard() - speech.base) * this.sound.sampleRate;
      speech.heard = Math.max(0, Math.round(heard));
    }
    this.#pauseSource();
    if (retryMs === null) this.#hush();
    this.#enter(retryMs === null ? "closed" : "lost");
  }

  /** @param {Words} words */
  #hear(words) {
    if (words.type === "interrupted") this.#goOn(words.next_sample);
    else if (words.type === "saying" && !this.isForgetting) this.#beginText(words.start_sample);
    else if (words.type === "refused") this.#endText(words);
    else if (words.type === "ended" && this.texts.length > 0) this.#endText(words);
    else if (words.type === "ended" && this.speech && !this.isForgetting) this.speech.over = true;
    else if (words.type === "video") this.screen?.change(words.codec);
    else if (words.type === "closing") this.#tell("fault", words.text);
  }

  /** @param {Picture} picture */
  #take(picture) {
    if (this.isForgetting) return;
    const speech = this.speech;
    if (!picture.atRest && speech?.voice) {
      this.#speakAlong(speech, picture);
    } else if (!picture.atRest && speech) {
      const late = this.#heard() - this.#dueAt(picture);
      if (!speech.samples) this.#adapt(speech, late);
      else if (speech.base === null) this.#start(speech, picture.start - speech.start, CUSHION_S);
      else if (late > LATE_S) this.#wait(speech, late);
    }
    this.screen?.add(picture);
  }

  /** @param {Picture} picture */
  #dueAt(picture) {
    const speech = this.speech;
    if (picture.atRest || !speech) return -Infinity;
    if (speech.base === null) return Infinity;
    return speech.base + (picture.start - speech.start) / this.sound.sampleRate;
  }

  /** What is heard now, by the clock of the sound. */
  #heard() {
    const audio = this.audio;
    if (!audio) return 0;
    const about = audio.currentTime - (audio.outputLatency || 0);
    // That goes in steps of what is rendered at once, 10 to 20 ms. The loudspeaker's own word is
    // finer, where there is one; while there is no sound it stands still.
    const { contextTime = 0, performanceTime = 0 } = audio.getOutputTimestamp?.() ?? {};
    const exact = contextTime + (performance.now() - performanceTime) / 1000;
    return performanceTime > 0 && Math.abs(exact - about) < STEP_S ? exact : about;
  }

  /** @param {Float32Array} samples */
  #say(samples) {
    this.speech = {
      start: this.position,
      samples,
      voice: null,
      sent: 0,
      heard: 0,
      complete: false,
      over: false,
      base: null,
      source: null,
    };
    this.#enter("speaking");
    this.#feed();
  }

  /**
   * Begin to play, or go on.
   * @param {Speech} speech
   * @param {number} position in its samples
   * @param {number} cushion seconds until it is heard
   */
  #start(speech, position, cushion) {
    const samples = /** @type {Float32Array<ArrayBuffer>} */ (speech.samples);
    const sound = this.sound;
    const buffer = sound.createBuffer(1, samples.length, sound.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = sound.createBufferSource();
    source.buffer = buffer;
    source.connect(/** @type {GainNode} */ (this.volume));
    const begin = sound.currentTime + cushion;
    const offset = position / sound.sampleRate;
    speech.base = begin - offset;
    source.start(begin, offset);
    speech.source = source;
  }

  /**
   * The server is behind: let the sound of a file wait where it is, until there are pictures again.
   * @param {Speech} speech
   * @param {number} late in seconds
   */
  #wait(speech, late) {
    const { currentTime, sampleRate } = this.sound;
    const position = (currentTime - /** @type {number} */ (speech.base)) * sampleRate;
    if (!speech.source || position >= /** @type {Float32Array} */ (speech.samples).length) return;
    this.#pauseSource();
    this.#start(speech, Math.max(0, position), late + WAIT_S);
  }

  /**
   * Show the microphone as soon as its pictures allow.
   * @param {Speech} speech
   * @param {number} late by how much the last one was, in seconds
   */
  #adapt(speech, late) {
    const change = this.margin.learn(-late);
    if (!change || speech.base === null) return;
    if (this.margin.seconds > LATEST_S) {
      this.margin = new Margin();
      this.#forget(); // begun again with the next piece
    } else {
      speech.base += change;
    }
    if (this.delay) this.delay.delayTime.value = this.#microphoneDelay();
  }

  /**
   * @param {string} text
   * @param {string} voice
   */
  #sendText(text, voice) {
    this.line?.say({ type: "say", text, ...(voice && { voice }) });
    this.speech ??= {
      start: NaN, // known when its turn has come
      samples: null,
      voice: new Voice(this.sound, /** @type {GainNode} */ (this.volume)),
      sent: 0,
      heard: 0,
      complete: true,
      over: false,
      base: null,
      source: null,
    };
    this.#enter("speaking");
  }

  /** @param {number} position where the text begins; it goes on where another one ends */
  #beginText(position) {
    this.reader?.begin();
    const speech = this.speech;
    if (speech?.voice && Number.isNaN(speech.start)) {
      speech.start = position;
      speech.voice.end = position;
    }
  }

  /** @param {Words} words `ended` or `refused` */
  #endText(words) {
    if (this.isForgetting) return;
    if (words.type === "refused") this.#tell("fault", words.message);
    this.reader?.end();
    this.position = words.next_sample;
    const text = this.texts.find(({ end }) => end === null);
    if (text) text.end = words.next_sample;
  }

  /** @param {import("./voice.js").Message} message of sound of a text */
  #hearSound(message) {
    if (!this.isForgetting) this.reader?.add(message);
  }

  /** @param {import("./voice.js").Sound} sound of a text */
  #play(sound) {
    const speech = this.speech;
    if (!speech?.voice) return;
    speech.voice.add(sound);
    this.#follow(speech, speech.voice);
  }

  /**
   * Let what is heard of a text begin with its first picture, and wait where one is late.
   * @param {Speech} speech
   * @param {Picture} picture
   */
  #speakAlong(speech, picture) {
    const voice = /** @type {Voice} */ (speech.voice);
    const late = this.#heard() - this.#dueAt(picture);
    if (speech.base === null) voice.begin(picture.start, CUSHION_S);
    else if (late > LATE_S) voice.wait(late + WAIT_S);
    this.#follow(speech, voice);
  }

  /**
   * @param {Speech} speech
   * @param {Voice} voice
   */
  #follow(speech, voice) {
    if (voice.zero !== null) speech.base = voice.zero + speech.start / this.sound.sampleRate;
  }

  /**
   * Notice which texts have been heard, and the end of the last one.
   * @param {Speech} speech
   */
  #hearTexts({ base, start, voice }) {
    const sounds = base !== null;
    const heard = sounds ? start + (this.#heard() - base) * this.sound.sampleRate : 0;
    const isSilent = voice?.pieces.length === 0; // there was nothing to be heard
    this.texts = this.texts.filter(({ end }) => end === null || (end > heard && !isSilent));
    if (this.texts.length > 0) return;
    this.speech = null;
    this.#enter("resting");
  }

  /**
   * The server has forgotten what it was to forget: from there on is what was sent since.
   * @param {number} position
   */
  #goOn(position) {
    this.interrupts -= 1;
    if (this.interrupts > 0) return;
    this.isForgetting = false;
    const shift = position - this.interruptedAt;
    this.position += shift;
    if (this.speech && !this.speech.voice) this.speech.start += shift;
  }

  /** Send what is due of a file, and notice its end. */
  #feed() {
    const speech = this.speech;
    if (speech?.voice && this.line?.isReady) this.#hearTexts(speech);
    if (!speech?.samples || !this.line?.isReady) return;
    const rate = this.sound.sampleRate;
    const piece = Math.round(PIECE_S * rate);
    const heard = speech.base === null ? 0 : this.#heard() - speech.base;
    while (speech.sent < speech.samples.length && speech.sent / rate < heard + AHEAD_S) {
      if (this.line.unsent > 2 * rate) break;
      const part = speech.samples.subarray(speech.sent, speech.sent + piece);
      this.#push(part);
      speech.sent += part.length;
    }
    if (speech.sent === speech.samples.length && !speech.complete) {
      speech.complete = true;
      this.line.say({ type: "end" });
    }
    if (speech.over && heard * rate >= speech.samples.length) {
      this.speech = null;
      this.#enter("resting");
    }
  }

  /** @param {Float32Array} samples */
  #push(samples) {
    const numbers = new Int16Array(samples.length);
    for (let i = 0; i < samples.length; i += 1) {
      numbers[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32767)));
    }
    this.line?.push(numbers);
    this.position += samples.length;
  }

  /**
   * @param {Float32Array} samples
   * @param {number} end when the last of them was heard
   */
  #hearMicrophone(samples, end) {
    if (!this.microphone || !this.line?.isReady) return;
    if (!this.speech) {
      const begin = end - samples.length / this.sound.sampleRate;
      this.speech = {
        start: this.position,
        samples: null,
        voice: null,
        sent: 0,
        heard: 0,
        complete: false,
        over: false,
        base: begin + this.#microphoneDelay(),
        source: null,
      };
    }
    this.#push(samples);
  }

  #microphoneDelay() {
    return this.lookahead_s + this.margin.seconds;
  }

  #stopMicrophone() {
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
    this.microphone = null;
    if (!this.ear) return;
    this.ear.source.disconnect();
    this.ear.worklet.port.onmessage = null;
    this.ear.worklet.port.postMessage("end");
    this.delay?.disconnect();
    this.echoing?.disconnect();
    this.ear = this.delay = this.echoing = undefined;
  }

  /** Forget what is being said, here and on the other side. */
  #forget() {
    const wasSpeaking = this.speech !== null;
    this.#hush();
    if (!wasSpeaking || !this.line?.isReady) return;
    this.isForgetting = true;
    this.interrupts += 1;
    this.interruptedAt = this.position;
    this.screen?.clear();
    this.line.say({ type: "interrupt" });
  }

  /** Forget what is being said, on this side. */
  #hush() {
    this.#pauseSource();
    this.speech = null;
    this.reader?.clear();
    this.texts = [];
  }

  #pauseSource() {
    this.speech?.voice?.stop();
    const source = this.speech?.source;
    if (source && this.speech) {
      source.stop();
      this.speech.source = null;
    }
  }

  /**
   * @param {Float32Array} samples
   * @param {number} rate
   */
  async #resampled(samples, rate) {
    const length = Math.max(1, Math.round((samples.length * this.sound.sampleRate) / rate));
    const offline = new OfflineAudioContext(1, length, this.sound.sampleRate);
    const buffer = offline.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (samples), 0);
    const source = offline.createBufferSource();
    source.buffer = buffer;
    source.connect(offline.destination);
    source.start();
    return (await offline.startRendering()).getChannelData(0);
  }

  /** @param {Picture} picture */
  #noteShown(picture) {
    const { audio, speech, figures } = this;
    if (Number.isNaN(figures.firstMs)) figures.firstMs = performance.now() - figures.opened;
    // Only of the microphone: a file is sent ahead, and waits by intent.
    if (picture.atRest || !audio || !speech || speech.samples || speech.base === null) return;
    const sinceHeard = audio.currentTime - this.#dueAt(picture) + this.#microphoneDelay();
    figures.delayMs = 1000 * (sinceHeard - this.lookahead_s);
  }

  #count() {
    const { screen, line, figures } = this;
    if (!screen || !line) return;
    this.#tell("stats", {
      firstMs: figures.firstMs,
      delayMs: figures.delayMs,
      skewMs: 1000 * screen.skew,
      framesPerS: ((screen.shown - figures.shown) * 1000) / STATS_MS,
      dropped: screen.dropped,
      kbitPerS: ((line.received - figures.received) * 8) / STATS_MS,
    });
    figures.shown = screen.shown;
    figures.received = line.received;
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

/**
 * Mix all channels into one.
 * @param {AudioBuffer} buffer
 */
function mono(buffer) {
  const mixed = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < mixed.length; i += 1) mixed[i] += samples[i] / buffer.numberOfChannels;
  }
  return mixed;
}

customElements.define("viseme-avatar", VisemeAvatar);

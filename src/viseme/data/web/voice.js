/**
 * The sound of texts that the server says: pieces as they come, played without a gap between them.
 *
 * @typedef {object} Sound
 * @property {number} start the position of its first sample
 * @property {Float32Array<ArrayBuffer>} samples mono, -1..1
 * @typedef {object} Message of sound
 * @property {number} start the position of its first sample
 * @property {number} duration in samples
 * @property {Uint8Array} data
 */

/** What decoders of Opus give. */
const OPUS_RATE_HZ = 48_000;
/** How much is gathered where a piece has come too late, so that it does not happen again at once. */
const GATHERED_S = 0.3;

/**
 * Choose how the sound of texts is to come: a packet takes a twentieth of what its samples take.
 * @param {number} rateHz that of the page's sound
 * @returns {"opus" | "s16"}
 */
export function wantedSound(rateHz) {
  return "AudioDecoder" in globalThis && rateHz === OPUS_RATE_HZ ? "opus" : "s16";
}

/** Reads the sound of texts, in the form that was asked for. */
export class SoundReader {
  /**
   * @param {"opus" | "s16"} form
   * @param {number} skip how many samples come of a decoder before a text's first
   * @param {(sound: Sound) => void} onSound
   */
  constructor(form, skip, onSound) {
    this.form = form;
    this.skip = skip;
    this.onSound = onSound;
    /** @type {AudioDecoder | null} that of the text which is coming */
    this.decoder = null;
    /** @type {Set<AudioDecoder>} */
    this.decoders = new Set();
    /** @type {Message[]} given to that decoder */
    this.decoding = [];
  }

  /** Whether something has come that was not given out yet, or a text is still coming. */
  get isReading() {
    return this.decoders.size > 0;
  }

  /** Begin with a text: each is a stream of its own. */
  begin() {
    if (this.form !== "opus") return;
    let skipped = this.skip;
    /** @type {Message[]} */
    const decoding = [];
    const decoder = new AudioDecoder({
      output: (data) => {
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        data.close();
        const message = decoding.shift();
        if (!message) return;
        this.onSound({
          start: message.start,
          samples: samples.slice(skipped, skipped + message.duration),
        });
        skipped = 0;
      },
      error: () => this.decoders.delete(decoder), // the pictures go on, and so does the next text
    });
    decoder.configure({ codec: "opus", sampleRate: OPUS_RATE_HZ, numberOfChannels: 1 });
    this.decoders.add(decoder);
    this.decoder = decoder;
    this.decoding = decoding;
  }

  /** @param {Message} message */
  add(message) {
    const { start, data } = message;
    if (this.form === "s16") {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      const samples = new Float32Array(data.byteLength >> 1);
      for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(2 * i, true) / 32768;
      this.onSound({ start, samples });
    } else if (this.decoder?.state === "configured") {
      const timestamp = Math.round((start * 1e6) / OPUS_RATE_HZ);
      this.decoding.push(message);
      this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data }));
    }
  }

  /** Read a text that has come to its end. */
  end() {
    const { decoder } = this;
    this.decoder = null;
    if (!decoder || decoder.state !== "configured") return;
    const close = () => {
      if (decoder.state !== "closed") decoder.close();
      this.decoders.delete(decoder);
    };
    decoder.flush().then(close, close);
  }

  /** Forget what was not read. */
  clear() {
    for (const decoder of this.decoders) if (decoder.state !== "closed") decoder.close();
    this.decoders.clear();
    this.decoder = null;
  }
}

export class Voice {
  /**
   * @param {AudioContext} audio of the same rate as the sound
   * @param {AudioNode} output
   */
  constructor(audio, output) {
    this.audio = audio;
    this.output = output;
    /** When the first sample of all is heard, by the clock of the audio; null before that is known. */
    /** @type {number | null} */
    this.zero = null;
    /** The position after the last sample that there is. */
    this.end = 0;
    /** @type {Sound[]} not heard to their end */
    this.pieces = [];
    /** @type {Set<AudioBufferSourceNode>} */
    this.sources = new Set();
  }

  /** The position that is given to the loudspeaker now. */
  get position() {
    return this.zero === null ? 0 : (this.audio.currentTime - this.zero) * this.audio.sampleRate;
  }

  /** @param {Sound} sound */
  add(sound) {
    this.end = sound.start + sound.samples.length;
    this.pieces = this.pieces.filter(({ start, samples }) => start + samples.length > this.position);
    this.pieces.push(sound);
    if (this.zero === null) return;
    const late = (this.position - sound.start) / this.audio.sampleRate;
    if (late > 0) this.zero = this.#exact(this.zero + late + GATHERED_S);
    this.#play(sound, sound.start);
  }

  /**
   * Begin to be heard.
   * @param {number} position the one that is heard first
   * @param {number} cushion seconds until then
   */
  begin(position, cushion) {
    const { currentTime, sampleRate } = this.audio;
    this.zero = this.#exact(currentTime + cushion - position / sampleRate);
    for (const piece of this.pieces) this.#play(piece, position);
  }

  /**
   * Stand still where it is.
   * @param {number} seconds for how long
   */
  wait(seconds) {
    if (this.position < this.end) {
      const position = Math.ceil(this.position);
      this.stop();
      this.begin(position, seconds);
    }
  }

  /** Be silent at once. */
  stop() {
    for (const source of this.sources) source.stop();
    this.sources.clear();
  }

  /**
   * @param {Sound} sound
   * @param {number} position from where on
   */
  #play({ start, samples }, position) {
    const { audio } = this;
    const skipped = Math.max(0, position - start);
    if (skipped >= samples.length || this.zero === null) return;
    const buffer = audio.createBuffer(1, samples.length, audio.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = audio.createBufferSource();
    source.buffer = buffer;
    source.connect(this.output);
    source.onended = () => this.sources.delete(source);
    source.start(
      Math.max(0, this.zero + (start + skipped) / audio.sampleRate),
      skipped / audio.sampleRate,
    );
    this.sources.add(source);
  }

  /**
   * Round to a sample, or pieces would not join.
   * @param {number} seconds
   */
  #exact(seconds) {
    return Math.round(seconds * this.audio.sampleRate) / this.audio.sampleRate;
  }
}

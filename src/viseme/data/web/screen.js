/**
 * Pictures on a canvas, each at its time: decoded a few ahead, drawn on the screen's own beat, and
 * left out where they are late.
 *
 * @typedef {import("./line.js").Picture} Picture
 * @typedef {{picture: Picture, image: VideoFrame | ImageBitmap}} Shown
 */

const DECODED_AHEAD = 6;
/** What takes longer is no beat, but a page that had something else to do. */
const LONGEST_BEAT_S = 0.05;

/** Whether this browser can decode streams; else pictures are asked for as JPEG. */
export const decodesVideo = "VideoDecoder" in globalThis;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Screen {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(picture: Picture) => number} dueAt when a picture is to be seen, on the clock of `now`
   * @param {() => number} now
   */
  constructor(canvas, dueAt, now) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.dueAt = dueAt;
    this.now = now;
    this.shown = 0;
    this.dropped = 0;
    /** How much later than due the last picture was drawn, in seconds. */
    this.skew = 0;
    this.wasAtRest = false;
    /** @type {((picture: Picture) => void) | null} */
    this.onShown = null;
    /** @type {((error: unknown) => void) | null} */
    this.onError = null;
    /** @type {VideoDecoder | null} */
    this.decoder = null;
    /** Until the last single picture that was begun is open. */
    this.opened = Promise.resolve();
    this.config = { codec: "", optimizeForLatency: true };
    /** @type {(Picture | {codec: string})[]} as they came, and where another stream begins */
    this.waiting = [];
    /** @type {Map<number, Picture>} being decoded, by their time stamp */
    this.decoding = new Map();
    /** @type {Shown[]} */
    this.ready = [];
    this.generation = 0;
    this.needsKey = true;
    /** How long a beat of the screen is, in seconds. */
    this.beatS = 1 / 60;
    this.lastBeatMs = 0;
    this.beat = requestAnimationFrame((ms) => this.#onBeat(ms));
  }

  /**
   * @param {string} codec that of the stream; empty for JPEG
   * @param {number} width
   * @param {number} height
   */
  begin(codec, width, height) {
    this.config = { codec, optimizeForLatency: true };
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.wasAtRest = false;
    this.clear();
  }

  /**
   * Go on with another stream, whose pictures may be of another size; they are drawn as large.
   * @param {string} codec that of the pictures to come
   */
  change(codec) {
    this.waiting.push({ codec });
    this.#decodeMore();
  }

  /** Forget all that was not shown; the next picture must be a key frame. */
  clear() {
    for (const { image } of this.ready) image.close();
    for (const one of this.waiting) if ("codec" in one) this.config.codec = one.codec;
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
    this.waiting = [];
    this.decoding = new Map();
    this.ready = [];
    this.generation += 1;
    this.needsKey = true;
  }

  /** @param {Picture} picture */
  add(picture) {
    this.waiting.push(picture);
    this.#decodeMore();
  }

  end() {
    cancelAnimationFrame(this.beat);
    this.clear();
  }

  #decodeMore() {
    while (this.waiting.length > 0 && this.ready.length + this.decoding.size < DECODED_AHEAD) {
      const picture = /** @type {Picture | {codec: string}} */ (this.waiting.shift());
      if ("codec" in picture) {
        this.config = { ...this.config, codec: picture.codec };
        this.needsKey = true;
        if (picture.codec) this.decoder?.configure(this.config);
        continue;
      }
      if (this.needsKey && !picture.isKey) continue;
      this.needsKey = false;
      if (this.config.codec) this.#decode(picture);
      else this.#open(picture);
    }
  }

  /** @param {Picture} picture */
  #decode(picture) {
    this.decoder ??= this.#newDecoder();
    const timestamp = picture.number * 40_000;
    this.decoding.set(timestamp, picture);
    const type = picture.isKey ? "key" : "delta";
    this.decoder.decode(new EncodedVideoChunk({ type, timestamp, data: picture.data }));
  }

  #newDecoder() {
    const generation = this.generation;
    const decoder = new VideoDecoder({
      output: (frame) => this.#take(frame, frame.timestamp, generation),
      error: (error) => {
        if (generation !== this.generation) return;
        this.clear(); // the next key frame is a new beginning
        this.onError?.(error);
      },
    });
    decoder.configure(this.config);
    return decoder;
  }

  /** @param {Picture} picture */
  #open(picture) {
    const { generation, opened } = this;
    this.decoding.set(picture.number, picture);
    const data = /** @type {BlobPart} */ (picture.data);
    const opening = createImageBitmap(new Blob([data], { type: "image/jpeg" })).catch(() => null);
    this.opened = (async () => {
      const image = await opening;
      await opened; // several are opened at once, and none passes another
      if (image) this.#take(image, picture.number, generation);
      else if (generation === this.generation) this.decoding.delete(picture.number);
    })();
  }

  /**
   * @param {VideoFrame | ImageBitmap} image
   * @param {number} key
   * @param {number} generation
   */
  #take(image, key, generation) {
    const picture = generation === this.generation ? this.decoding.get(key) : undefined;
    if (!picture) {
      image.close();
      return;
    }
    this.decoding.delete(key);
    this.ready.push({ picture, image });
    // A page that is not seen has no beat, and must not hold what it will never draw.
    if (document.hidden) this.#draw();
  }

  /** @param {number} ms */
  #onBeat(ms) {
    this.beat = requestAnimationFrame((next) => this.#onBeat(next));
    const lasted = (ms - this.lastBeatMs) / 1000;
    if (lasted < LONGEST_BEAT_S) this.beatS += (lasted - this.beatS) / 16;
    this.lastBeatMs = ms;
    this.#draw();
  }

  #draw() {
    const now = this.now();
    // On the beat that is nearest to its time, instead of on the first one after it.
    const soon = now + this.beatS / 2;
    /** @type {Shown | null} */
    let newest = null;
    while (this.ready.length > 0 && this.dueAt(this.ready[0].picture) <= soon) {
      if (newest) {
        newest.image.close();
        this.dropped += 1;
      }
      newest = /** @type {Shown} */ (this.ready.shift());
    }
    if (newest) {
      const { atRest } = newest.picture;
      // Whoever wants little motion sees the avatar move while it speaks, and not else.
      if (!(calm.matches && atRest && this.wasAtRest)) {
        this.context.drawImage(newest.image, 0, 0, this.canvas.width, this.canvas.height);
      }
      this.wasAtRest = atRest;
      newest.image.close();
      this.shown += 1;
      if (!atRest) this.skew = now - this.dueAt(newest.picture);
      this.onShown?.(newest.picture);
    }
    this.#decodeMore();
  }
}

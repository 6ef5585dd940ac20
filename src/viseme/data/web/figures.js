/**
 * How well the page does.
 *
 * @typedef {import("./line.js").Line} Line
 * @typedef {import("./screen.js").Screen} Screen
 * @typedef {object} Stats
 * @property {number} firstMs from the opening of the line to the first picture; NaN before it
 * @property {number} delayMs of the microphone, beyond the look-ahead; NaN before it was heard
 * @property {number} skewMs how much later than due the last picture was drawn
 * @property {number} framesPerS
 * @property {number} dropped pictures that were left out
 * @property {number} kbitPerS
 */

/** How often they are told. */
export const STATS_MS = 1000;

/** Those of one line. */
export class Figures {
  constructor() {
    this.opened = performance.now();
    this.firstMs = NaN;
    this.delayMs = NaN;
    /** Pictures and bytes when they were told last. */
    this.shown = 0;
    this.received = 0;
  }

  /** A picture is shown. */
  noteShown() {
    if (Number.isNaN(this.firstMs)) this.firstMs = performance.now() - this.opened;
  }

  /**
   * Tell them, every `STATS_MS`.
   * @param {Screen} screen
   * @param {Line} line
   * @returns {Stats}
   */
  count(screen, line) {
    const stats = {
      firstMs: this.firstMs,
      delayMs: this.delayMs,
      skewMs: 1000 * screen.skew,
      framesPerS: ((screen.shown - this.shown) * 1000) / STATS_MS,
      dropped: screen.dropped,
      kbitPerS: ((line.received - this.received) * 8) / STATS_MS,
    };
    this.shown = screen.shown;
    this.received = line.received;
    return stats;
  }
}

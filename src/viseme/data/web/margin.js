/**
 * How much later than it could be the microphone is shown, so that pictures are there in time: as
 * little as the last ones would have needed, and at once more where one has come too late.
 */

const FIRST_S = 0.15;
/** What is kept of the time that pictures come early: for decoding, and for the next one. */
const KEPT_S = 0.08;
/** Less is not worth leaving a picture out for. */
const WORTH_S = 0.03;
const LOOKED_AT = 50;

export class Margin {
  constructor() {
    this.seconds = FIRST_S;
    this.least = Infinity;
    this.count = 0;
  }

  /**
   * Learn of one more picture.
   * @param {number} early seconds from when it came to when it is due; less than 0: it came late
   * @returns {number} by how many seconds the margin has changed
   */
  learn(early) {
    const before = this.seconds;
    this.least = Math.min(this.least, early);
    this.count += 1;
    if (early < 0) this.seconds += KEPT_S - early;
    else if (this.count === LOOKED_AT) this.seconds -= Math.max(0, this.least - KEPT_S - WORTH_S);
    else return 0;
    this.#begin();
    return this.seconds - before;
  }

  #begin() {
    this.least = Infinity;
    this.count = 0;
  }
}

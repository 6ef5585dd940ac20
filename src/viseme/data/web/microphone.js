/** The other end of the microphone, on the sound's own thread: pieces of 40 ms to the page. */
const PIECE_S = 0.04;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.length = Math.round(PIECE_S * sampleRate);
    this.piece = new Float32Array(this.length);
    this.filled = 0;
    this.turn = 0;
    this.port.onmessage = ({ data }) => {
      this.turn = data;
      this.filled = 0; // the rest is of the turn before
    };
  }

  /** @param {Float32Array[][]} inputs */
  process([input]) {
    const samples = input[0] ?? []; // nothing between two turns
    for (let taken = 0; taken < samples.length; ) {
      const room = Math.min(this.length - this.filled, samples.length - taken);
      this.piece.set(samples.subarray(taken, taken + room), this.filled);
      this.filled += room;
      taken += room;
      if (this.filled === this.length) {
        const end = currentTime + taken / sampleRate;
        this.port.postMessage({ turn: this.turn, samples: this.piece, end }, [this.piece.buffer]);
        this.piece = new Float32Array(this.length); // the other is gone, and has no length
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("viseme-microphone", Microphone);

/**
 * Films of what is seen and heard.
 *
 * @typedef {import("./loudspeaker.js").Loudspeaker} Loudspeaker
 */

const FRAMES_PER_S = 25;
const PIECE_MS = 1000;

/**
 * Record until the returned function is called, which gives the film.
 * @param {HTMLCanvasElement} canvas
 * @param {Loudspeaker} sound
 * @returns {() => Promise<Blob>}
 */
export function record(canvas, sound) {
  const stream = canvas.captureStream(FRAMES_PER_S);
  const recorded = sound.recorded();
  for (const track of recorded.tracks) stream.addTrack(track);
  const recorder = new MediaRecorder(stream);
  /** @type {Blob[]} */
  const pieces = [];
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.start(PIECE_MS);
  return () =>
    /** @type {Promise<Blob>} */ (
      new Promise((resolve) => {
        recorder.onstop = () => {
          recorded.end();
          resolve(new Blob(pieces, { type: recorder.mimeType }));
        };
        recorder.stop();
      })
    );
}

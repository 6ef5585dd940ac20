/** Films of what is seen and heard. */

const FRAMES_PER_S = 25;
const PIECE_MS = 1000;

/**
 * Record until the returned function is called, which gives the film.
 * @param {HTMLCanvasElement} canvas
 * @param {MediaStreamTrack[]} sound
 * @returns {() => Promise<Blob>}
 */
export function record(canvas, sound) {
  const stream = canvas.captureStream(FRAMES_PER_S);
  for (const track of sound) stream.addTrack(track);
  const recorder = new MediaRecorder(stream);
  /** @type {Blob[]} */
  const pieces = [];
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.start(PIECE_MS);
  return () =>
    /** @type {Promise<Blob>} */ (
      new Promise((resolve) => {
        recorder.onstop = () => resolve(new Blob(pieces, { type: recorder.mimeType }));
        recorder.stop();
      })
    );
}

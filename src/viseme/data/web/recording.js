/**
 * Films of what is seen and heard.
 *
 * @typedef {import("./loudspeaker.js").Loudspeaker} Loudspeaker
 */

const FRAMES_PER_S = 25;
const PIECE_MS = 1000;

/**
 * Record until the returned function is called, which gives the film.
 *
 * A browser that ends it by itself leaves the film up to there. Throws where it cannot record.
 * @param {HTMLCanvasElement} canvas
 * @param {Loudspeaker} sound
 * @returns {() => Promise<Blob>}
 */
export function record(canvas, sound) {
  const stream = canvas.captureStream(FRAMES_PER_S);
  const recorded = sound.recorded();
  for (const track of recorded.tracks) stream.addTrack(track);
  const end = () => {
    recorded.end();
    for (const track of stream.getTracks()) track.stop();
  };
  try {
    const recorder = new MediaRecorder(stream);
    /** @type {Blob[]} */
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    /** @type {Promise<Blob>} */
    const film = new Promise((resolve) => {
      recorder.onstop = () => {
        end();
        resolve(new Blob(pieces, { type: recorder.mimeType }));
      };
    });
    recorder.start(PIECE_MS);
    return () => {
      if (recorder.state !== "inactive") recorder.stop();
      return film;
    };
  } catch (error) {
    end();
    throw error;
  }
}

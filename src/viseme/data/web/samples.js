/** Sound in any form to what is said: mono samples, -1..1, of the page's rate. */

/**
 * Read a file of sound.
 * @param {AudioContext} context whose rate they are to have
 * @param {Blob} file
 * @returns {Promise<Float32Array>}
 * @throws {Error} where the browser can read no sound in it
 */
export async function samplesOf(context, file) {
  return mono(await context.decodeAudioData(await file.arrayBuffer()));
}

/**
 * @param {Float32Array} samples
 * @param {number} rateHz theirs
 * @param {number} wantedHz
 * @returns {Promise<Float32Array>}
 */
export async function resampled(samples, rateHz, wantedHz) {
  if (rateHz === wantedHz) return samples;
  const length = Math.max(1, Math.round((samples.length * wantedHz) / rateHz));
  const offline = new OfflineAudioContext(1, length, wantedHz);
  const buffer = offline.createBuffer(1, samples.length, rateHz);
  buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (samples), 0);
  const source = offline.createBufferSource();
  source.buffer = buffer;
  source.connect(offline.destination);
  source.start();
  return (await offline.startRendering()).getChannelData(0);
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

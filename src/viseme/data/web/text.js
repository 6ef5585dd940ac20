/**
 * The part of the page where a text is typed for the avatar to say.
 *
 * @typedef {import("./embed.js").VisemeAvatar} VisemeAvatar
 */

const SILENT =
  "Texts cannot be said here, since the server has nothing to speak with: install espeak-ng or flite on it.";

/**
 * Offer to say texts, where the server can.
 * @param {VisemeAvatar} avatar
 * @param {(sentence: string) => void} complain
 */
export function offerTexts(avatar, complain) {
  const form = /** @type {HTMLFormElement} */ (document.getElementById("texts"));
  const text = /** @type {HTMLInputElement} */ (document.getElementById("text"));
  const voice = /** @type {HTMLSelectElement} */ (document.getElementById("voice"));
  const silent = /** @type {HTMLElement} */ (document.getElementById("silent"));

  /** @param {string[]} voices */
  function show(voices) {
    form.hidden = voices.length === 0;
    silent.hidden = !form.hidden;
    silent.textContent = SILENT;
    if (avatar.textCharacters) text.maxLength = avatar.textCharacters;
    const chosen = voice.value;
    voice.replaceChildren(...voices.map((name) => new Option(name, name, false, name === chosen)));
    voice.hidden = voices.length < 2;
  }

  avatar.addEventListener("voices", (event) => show(/** @type {CustomEvent} */ (event).detail));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    complain("");
    void avatar.say(text.value, voice.value);
    text.value = "";
  });
}

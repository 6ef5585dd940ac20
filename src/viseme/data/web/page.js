/** The page: buttons and figures around the avatar. */

import { VisemeAvatar } from "./embed.js";
import { decodesVideo } from "./screen.js";
import { offerTexts } from "./text.js";

const STATES = {
  connecting: "Connecting",
  resting: "Ready",
  speaking: "Speaking",
  listening: "Listening",
  lost: "Connection lost; trying again",
  closed: "Not connected",
};

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
const part = (id) => /** @type {T} */ (document.getElementById(id));

const avatar = /** @type {VisemeAvatar} */ (part("avatar"));
const listen = /** @type {HTMLButtonElement} */ (part("listen"));
const interrupt = /** @type {HTMLButtonElement} */ (part("interrupt"));
const file = /** @type {HTMLInputElement} */ (part("file"));
const stage = /** @type {HTMLElement} */ (document.querySelector(".stage"));
const fault = part("fault");
const record = part("record");

/** @param {string} sentence nothing takes away what was said before */
function complain(sentence) {
  fault.textContent = sentence;
  fault.hidden = !sentence;
}

/** @param {string} state */
function show(state) {
  part("state").textContent = STATES[/** @type {keyof typeof STATES} */ (state)];
  document.body.dataset.state = state;
  const isTalking = state === "speaking" || state === "listening";
  interrupt.disabled = !isTalking;
  listen.setAttribute("aria-pressed", String(state === "listening"));
  listen.textContent = state === "listening" ? "Listening" : "Speak";
  if (isTalking) part("hint").hidden = true;
}

/** @param {Blob} sound */
function speak(sound) {
  complain("");
  void avatar.speakFile(sound);
}

avatar.addEventListener("state", (event) => show(/** @type {CustomEvent} */ (event).detail));
avatar.addEventListener("fault", (event) => complain(/** @type {CustomEvent} */ (event).detail));
avatar.addEventListener("stats", (event) => {
  const { firstMs, delayMs, skewMs, framesPerS, dropped, kbitPerS } = /** @type {CustomEvent} */ (event).detail;
  const inMs = (/** @type {number} */ value) => (Number.isFinite(value) ? `${Math.round(value)} ms` : "–");
  part("first").textContent = inMs(firstMs);
  part("delay").textContent = inMs(delayMs);
  part("skew").textContent = inMs(skewMs);
  part("rate").textContent = framesPerS.toFixed(0);
  part("dropped").textContent = String(dropped);
  part("bits").textContent = `${Math.round(kbitPerS)} kbit/s`;
});
show(avatar.state);
part("note").hidden = decodesVideo;
part("full").hidden = !document.fullscreenEnabled;
record.hidden = !("MediaRecorder" in window);

// A server that asks for tokens is opened with the token behind the address, which is not sent.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) avatar.setAttribute("token", token);

listen.onclick = () => {
  complain("");
  if (avatar.state === "listening") avatar.interrupt();
  else void avatar.listen();
};
offerTexts(avatar, complain);
interrupt.onclick = () => avatar.interrupt();
part("choose").onclick = () => file.click();
file.onchange = () => {
  if (file.files?.[0]) speak(file.files[0]);
  file.value = "";
};
part("sample").onclick = async () => {
  const answer = await fetch("/web/example.flac");
  speak(await answer.blob());
};
part("muted").onchange = (event) => {
  avatar.muted = /** @type {HTMLInputElement} */ (event.target).checked;
};
part("echo").onchange = (event) => {
  avatar.echo = /** @type {HTMLInputElement} */ (event.target).checked;
};
part("sooner").onchange = (event) => {
  avatar.setAttribute("latency", /** @type {HTMLInputElement} */ (event.target).checked ? "low" : "exact");
};
part("full").onclick = () => {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void stage.requestFullscreen();
};

/** @type {(() => Promise<Blob>) | null} */
let finish = null;
record.onclick = async () => {
  if (!finish) {
    try {
      finish = avatar.record();
    } catch {
      complain("This browser cannot record; the page speaks all the same.");
      return;
    }
    record.setAttribute("aria-pressed", "true");
    record.textContent = "Stop recording";
    return;
  }
  const ended = finish();
  finish = null;
  const film = await ended;
  record.setAttribute("aria-pressed", "false");
  record.textContent = "Record";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(film);
  link.download = film.type.includes("mp4") ? "viseme.mp4" : "viseme.webm";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

stage.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("over");
});
stage.addEventListener("dragleave", () => stage.classList.remove("over"));
stage.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  const dropped = event.dataTransfer?.files[0];
  if (dropped) speak(dropped);
});

/** Show who there is, where there is a choice. */
async function showCast() {
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  const answer = await fetch("/v1/avatars", { headers });
  if (!answer.ok) return;
  const { avatars } = await answer.json();
  if (avatars.length < 2) return;
  const cast = part("cast");
  for (const { name, title, poster } of avatars) {
    const button = document.createElement("button");
    const image = document.createElement("img");
    image.src = poster;
    image.alt = "";
    const caption = document.createElement("span");
    caption.textContent = title || name;
    button.append(image, caption);
    button.setAttribute("aria-pressed", String(name === avatars[0].name));
    button.onclick = () => {
      avatar.setAttribute("avatar", name);
      for (const other of cast.children) other.setAttribute("aria-pressed", String(other === button));
    };
    cast.append(button);
  }
  cast.hidden = false;
}

void showCast();

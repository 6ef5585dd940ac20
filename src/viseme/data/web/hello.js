/**
 * What an element says first, and to whom.
 *
 * @typedef {import("./line.js").Words} Words
 */

import { VERSION } from "./line.js";
import { decodesVideo } from "./screen.js";
import { wantedSound } from "./voice.js";

/** Pixels of a side: less is an element that is not laid out, or hidden. */
const SMALLEST = 16;

/**
 * The socket that an element names, or that of the page's own server.
 * @param {HTMLElement} element
 */
export function addressFor(element) {
  const given = element.getAttribute("src");
  if (given) return given;
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`;
}

/**
 * @param {HTMLElement} element
 * @param {number} rate samples a second of the sound to come
 * @returns {Words}
 */
export function helloOf(element, rate) {
  return {
    type: "hello",
    version: VERSION,
    avatar: element.getAttribute("avatar") ?? "",
    token: element.getAttribute("token") ?? "",
    latency: element.getAttribute("latency") ?? "exact",
    sound_back: wantedSound(rate),
    codec: decodesVideo ? "h264" : "jpeg",
    sound: { rate_hz: rate, channels: 1, format: "s16" },
    ...roomOf(element),
  };
}

/**
 * The room that pictures are to fit in, where that is asked for and the page is laid out.
 * @param {HTMLElement} element
 */
function roomOf(element) {
  if (!element.hasAttribute("fit")) return {};
  const width = Math.ceil(element.clientWidth * devicePixelRatio);
  const height = Math.ceil(element.clientHeight * devicePixelRatio);
  return Math.min(width, height) < SMALLEST ? {} : { size: { width, height } };
}

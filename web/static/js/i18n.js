// Texts, times and lengths for scripts: the server puts the catalogue into <template id="texts">.
// Invariant: no text for a person is written in a script; a missing key throws.

/** @param {string} id @returns {any} the JSON a page carries in an inert template */
export function pageData(id) {
  const element = /** @type {HTMLTemplateElement|null} */ (document.getElementById(id));
  return element ? JSON.parse(element.content.textContent || 'null') : null;
}

const texts = pageData('texts') || {};
const zone = document.documentElement.dataset.zone || 'Asia/Ho_Chi_Minh';
const short = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: zone });
const long = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone: zone });

/** @param {string} key @param {Record<string, unknown>} [values] */
export function t(key, values = {}) {
  if (!(key in texts)) throw new Error(key);
  return texts[key].replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ name) => String(values[name]));
}

/** @param {string} key */
export const has = (key) => key in texts;

/** @param {number} ms UTC; hours and minutes at the school */
export const clock = (ms) => short.format(ms);

/** @param {number} ms UTC; with seconds */
export const clockSeconds = (ms) => long.format(ms);

/**
 * @param {number} ms a length
 * @param {(n: number) => number} [round] up for what is left, down for what has passed
 */
export function duration(ms, round = Math.ceil) {
  const minutes = Math.max(1, round(ms / 60000));
  const [d, h, m] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  if (d) return t('dur.d', { d });
  if (h) return t(m ? 'dur.hm' : 'dur.h', { h, m });
  return t('dur.m', { m });
}

// The box's clock, whatever this device's says.
let offsetMs = Number(document.documentElement.dataset.now || Date.now()) - performance.now();

/** @returns {number} UTC ms by the box's clock */
export const now = () => performance.now() + offsetMs;

/** @param {number} ms what the box said just now */
export function setNow(ms) {
  offsetMs = ms - performance.now();
}

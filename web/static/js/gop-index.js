// Where the groups of pictures of one stream lie: windows of the box's index, kept while they are near.
// Invariants: at most MAX_WINDOWS windows; a window that the newest footage may still enter is read again;
// groups are handed out in order of time, and none twice.

import { now } from './i18n.js';

/**
 * @typedef {{mime: string, url: string, width: number, height: number, config: number}} Config
 * @typedef {{start: number, end: number, offset: number, size: number, url: string, config: Config, stream: string}} Gop
 * @typedef {{gops: Gop[], asked: number, final: boolean}} Window
 */

const WINDOW_MS = 300000;
const MAX_WINDOWS = 24;
/** Windows that end this near to the newest footage are not final (ms). */
const UNSETTLED_MS = 120000;
const FRESH_MS = 700;
/** Footage without a break may show this little between two groups (ms). */
export const SEAM_MS = 400;

export class GopIndex {
  /** @type {Map<number, Window>} oldest use first */ #windows = new Map();
  /** @type {Map<number, Promise<Window>>} */ #asking = new Map();

  /** @param {import('./playback-api.js').PlaybackApi} api @param {string} stream main or sub */
  constructor(api, stream) {
    [this.api, this.stream] = [api, stream];
    /** Bytes a second of what was read last, 0 = nothing yet. */
    this.pace = 0;
    /** The newest instant of the stream that the box told of. */
    this.newest = 0;
  }

  /** @param {any} answer @returns {Gop[]} */
  #flatten(answer) {
    const configs = new Map(answer.configs.map((/** @type {Config} */ config) => [config.config, config]));
    const gops = answer.segments.flatMap((/** @type {any} */ segment) =>
      segment.gops.map((/** @type {number[]} */ [start, length, offset, size]) => ({
        start, end: start + length, offset, size, url: segment.url, config: configs.get(segment.config), stream: this.stream,
      })),
    ).sort((/** @type {Gop} */ a, /** @type {Gop} */ b) => a.start - b.start);
    const length = gops.reduce((/** @type {number} */ sum, /** @type {Gop} */ gop) => sum + gop.end - gop.start, 0);
    if (length) this.pace = (gops.reduce((/** @type {number} */ sum, /** @type {Gop} */ gop) => sum + gop.size, 0) * 1000) / length;
    return gops;
  }

  /** @param {number} key start of the window @param {AbortSignal} signal @returns {Promise<Window>} */
  async #window(key, signal) {
    const known = this.#windows.get(key);
    if (known && (known.final || performance.now() - known.asked < FRESH_MS)) {
      this.#windows.delete(key);
      this.#windows.set(key, known);
      return known;
    }
    const pending = this.#asking.get(key);
    if (pending && !signal.aborted) {
      try {
        return await pending;
      } catch (error) {
        if (signal.aborted || !(error instanceof DOMException)) throw error;
      }
    }
    const asking = this.api.index(this.stream, key, key + WINDOW_MS, signal).then((answer) => {
      const newest = answer.newest_ms ?? now();
      this.newest = Math.max(this.newest, newest);
      const window = { gops: this.#flatten(answer), asked: performance.now(), final: newest > key + WINDOW_MS + UNSETTLED_MS };
      this.#windows.delete(key);
      this.#windows.set(key, window);
      for (const old of this.#windows.keys()) if (this.#windows.size > MAX_WINDOWS) this.#windows.delete(old);
      return window;
    });
    this.#asking.set(key, asking);
    try {
      return await asking;
    } finally {
      if (this.#asking.get(key) === asking) this.#asking.delete(key);
    }
  }

  /** @param {number} ms @param {AbortSignal} signal @returns {Promise<Gop|null>} the group shown at that instant */
  async at(ms, signal) {
    const key = Math.floor(ms / WINDOW_MS) * WINDOW_MS;
    const inside = (/** @type {Window} */ window) => window.gops.findLast((gop) => gop.start <= ms && ms < gop.end) ?? null;
    const found = inside(await this.#window(key, signal));
    // A group may begin in the window before; one camera in a hundred has groups of many seconds.
    return found || (ms - key < 30000 ? inside(await this.#window(key - WINDOW_MS, signal)) : null);
  }

  /** @param {number} ms @param {AbortSignal} signal @returns {Promise<Gop|null>} the last group that ended by then, of what is near */
  async before(ms, signal) {
    const key = Math.floor(ms / WINDOW_MS) * WINDOW_MS;
    const last = (/** @type {Window} */ window) => window.gops.findLast((gop) => gop.end <= ms) ?? null;
    return last(await this.#window(key, signal)) ?? last(await this.#window(key - WINDOW_MS, signal));
  }

  /**
   * @param {number} ms @param {number} end look no further @param {AbortSignal} signal
   * @param {(ms: number) => number} [skip] the next instant with footage at or after one, Infinity = none
   * @returns {Promise<Gop|null>} the first group that begins at or after an instant
   */
  async after(ms, end, signal, skip = (at) => at) {
    for (let from = ms; from < end && (from === ms || from <= this.newest); ) {
      const key = Math.floor(from / WINDOW_MS) * WINDOW_MS;
      const found = (await this.#window(key, signal)).gops.find((gop) => gop.start >= ms - SEAM_MS && gop.end > ms + 1);
      if (found) return found;
      from = Math.max(key + WINDOW_MS, skip(key + WINDOW_MS));
    }
    return null;
  }

  /** Forgets what was read: the box said that a file is gone. */
  forget() {
    this.#windows.clear();
  }
}

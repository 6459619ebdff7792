// Recorded pictures of one camera over HTTP. Invariants: one grant a day looked at, asked for again once when the
// box no longer knows it; never more than MAX_IN_FLIGHT requests at a time; every request can be aborted; nothing
// is stored anywhere but in the caller's hands.

import { ApiError, call, getJson, postJson } from './api.js';
import { now } from './i18n.js';
import { dayOf } from './zone-day.js';

const MAX_IN_FLIGHT = 4;
/** A grant this near its end is asked for anew (ms). */
const NEARLY_OVER_MS = 5000;

/** @typedef {{id: string, from: number, to: number, until: number, streams: string[]}} Opened */

/** @param {AbortSignal|undefined} signal @returns {DOMException} */
const aborted = (signal) => signal?.reason ?? new DOMException('', 'AbortError');

/** Lets few through at a time; who is aborted while waiting leaves the queue. */
class Gate {
  #free = MAX_IN_FLIGHT;
  /** @type {(() => void)[]} */ #waiting = [];

  /** @template T @param {() => Promise<T>} work @param {AbortSignal} [signal] @returns {Promise<T>} */
  async pass(work, signal) {
    if (this.#free === 0) await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
    else this.#free -= 1;
    try {
      if (signal?.aborted) throw aborted(signal);
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

export class PlaybackApi {
  #gate = new Gate();
  /** @type {Map<number, Promise<Opened>>} by the day's start */ #grants = new Map();

  /** @param {string} camera */
  constructor(camera) {
    this.root = `/api/cameras/${camera}`;
    /** How many requests for pictures were sent: what a test of request storms counts. */
    this.sent = 0;
  }

  /** @param {number} from @param {number} to @param {AbortSignal} [signal] @returns {Promise<any>} */
  days(from, to, signal) {
    return this.#read(`days?from=${Math.floor(from)}&to=${Math.floor(to)}`, signal);
  }

  /** @param {number} from @param {number} to @param {string} stream @param {AbortSignal} [signal] @returns {Promise<any>} */
  timeline(from, to, stream, signal) {
    return this.#read(`timeline?from=${Math.floor(from)}&to=${Math.floor(to)}&stream=${stream}`, signal);
  }

  /** @param {string} path @param {AbortSignal} [signal] */
  #read(path, signal) {
    return this.#gate.pass(async () => (await call(`${this.root}/${path}`, { signal })).json(), signal);
  }

  /** Holds of this camera; a box without that page has none to show. @returns {Promise<[number, number][]>} */
  async holds() {
    const camera = this.root.split('/').pop();
    try {
      const answer = await getJson('/api/holds');
      const all = Array.isArray(answer) ? answer : answer?.holds || [];
      return all.filter((/** @type {any} */ hold) => hold.camera === camera).map((/** @type {any} */ hold) => [hold.from_ms, hold.to_ms]);
    } catch (error) {
      if (error instanceof ApiError) return [];
      throw error;
    }
  }

  /** @param {number} at UTC ms @returns {Promise<Opened>} the grant for that day */
  grant(at) {
    const [from, to] = dayOf(at);
    const known = this.#grants.get(from);
    if (known) return known;
    const opening = postJson(`${this.root}/playback`, { from_ms: from, to_ms: to }).then((body) => ({
      id: body.playback, from, to, until: body.until_ms ?? Infinity, streams: body.streams ?? ['main', 'sub'],
    }));
    this.#grants.set(from, opening);
    opening.catch(() => this.#grants.delete(from));
    return opening;
  }

  /**
   * @template T @param {number} at @param {(base: string) => Promise<T>} ask @param {AbortSignal} [signal]
   * @returns {Promise<T>} a grant that ran out or was forgotten is replaced once; a refusal then is a refusal
   */
  async #with(at, ask, signal) {
    for (let again = false; ; again = true) {
      const opened = await this.grant(at);
      if (signal?.aborted) throw aborted(signal);
      try {
        if (!again && opened.until - now() < NEARLY_OVER_MS) throw new ApiError(404, null);
        return await this.#gate.pass(() => ask(`${this.root}/playback/${opened.id}/`), signal);
      } catch (error) {
        if (again || !(error instanceof ApiError) || ![403, 404].includes(error.status)) throw error;
        this.#grants.delete(opened.from);
      }
    }
  }

  /** @param {string} stream @param {number} from @param {number} to @param {AbortSignal} [signal] @returns {Promise<any>} */
  index(stream, from, to, signal) {
    const query = `index?from=${Math.floor(from)}&to=${Math.floor(to)}&stream=${stream}`;
    return this.#with(from, async (base) => (await call(base + query, { signal })).json(), signal);
  }

  /** @param {number} at @param {string} url of a config @param {AbortSignal} [signal] @returns {Promise<ArrayBuffer>} */
  init(at, url, signal) {
    return this.#with(at, async (base) => (await call(base + url, { signal })).arrayBuffer(), signal);
  }

  /**
   * @param {number} at @param {string} url of a segment @param {number} offset @param {number} size
   * @param {AbortSignal} [signal] @returns {Promise<ArrayBuffer>}
   */
  media(at, url, offset, size, signal) {
    const headers = { Range: `bytes=${offset}-${offset + size - 1}` };
    this.sent += 1;
    return this.#with(at, async (base) => (await call(base + url, { headers, signal })).arrayBuffer(), signal);
  }

  /**
   * @param {number} at @param {number} width 160 or 320 @param {AbortSignal} [signal]
   * @returns {Promise<{blob: Blob, captured: number}>}
   */
  thumb(at, width, signal) {
    this.sent += 1;
    return this.#with(at, async (base) => {
      const response = await call(`${base}thumb.jpg?at=${Math.floor(at)}&width=${width}`, { signal });
      return { blob: await response.blob(), captured: Number(response.headers.get('X-Captured-At')) };
    }, signal);
  }

  /** @param {number} at @returns {Promise<string>} where this hour's list for a player of its own is */
  async list(at, stream = 'sub') {
    const opened = await this.grant(at);
    return `${this.root}/playback/${opened.id}/${stream}/${Math.floor(at / 3600000) * 3600000}.m3u8`;
  }

  /** Gives the grants back; the page is going. */
  close() {
    for (const opening of this.#grants.values()) {
      opening.then((opened) => fetch(`${this.root}/playback/${opened.id}`, { method: 'DELETE', keepalive: true })).catch(() => undefined);
    }
    this.#grants.clear();
  }
}

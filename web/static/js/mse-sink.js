// One video element fed by Media Source Extensions. Invariants: operations on the buffer run one after another;
// times of the element are small, because the buffer shifts them by the origin (footage states UTC, and seconds
// since 1970 leave too few digits for pictures); what lies far from the place that is played is removed.

const Source = /** @type {any} */ (globalThis).ManagedMediaSource ?? globalThis.MediaSource;
/** Kept behind the place that is played (s). */
export const BEHIND_S = 12;

/** @param {string} mime */
export const playable = (mime) => Boolean(Source) && Source.isTypeSupported(mime);

/** Whether the browser can be fed at all; Safari on older phones cannot and plays lists by itself. */
export const feedable = () => Boolean(Source);

export class MseSink {
  /** @type {SourceBuffer|null} */ #buffer = null;
  /** @type {Promise<unknown>} */ #last = Promise.resolve();
  #mime = '';
  #config = '';

  /** @param {HTMLVideoElement} video @param {number} originMs UTC ms that is 0 for the element */
  constructor(video, originMs) {
    [this.video, this.originMs] = [video, originMs];
    this.source = new Source();
    this.url = URL.createObjectURL(this.source);
    this.opened = new Promise((resolve) => this.source.addEventListener('sourceopen', resolve, { once: true }));
    video.disableRemotePlayback = true;
    video.src = this.url;
  }

  /** @param {number} ms @returns {number} */
  toS(ms) {
    return (ms - this.originMs) / 1000;
  }

  /** @param {number} s @returns {number} */
  toMs(s) {
    return this.originMs + s * 1000;
  }

  /** @template T @param {() => Promise<T>|T} work @returns {Promise<T>} */
  #turn(work) {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** @param {() => void} act */
  async #updated(act) {
    const buffer = /** @type {SourceBuffer} */ (this.#buffer);
    const done = new Promise((resolve, reject) => {
      buffer.addEventListener('updateend', resolve, { once: true });
      buffer.addEventListener('error', () => reject(new DOMException('', 'EncodingError')), { once: true });
    });
    act();
    await done;
  }

  /** @param {string} key of the config @param {string} mime @param {ArrayBuffer} init */
  use(key, mime, init) {
    return this.#turn(async () => {
      if (this.#config === key) return;
      await this.opened;
      if (!this.#buffer) {
        this.#buffer = /** @type {SourceBuffer} */ (this.source.addSourceBuffer(mime));
        this.#buffer.timestampOffset = -this.originMs / 1000;
      } else if (this.#mime !== mime) {
        this.#buffer.changeType(mime);
      }
      [this.#mime, this.#config] = [mime, key];
      await this.#updated(() => this.#buffer?.appendBuffer(init));
    });
  }

  /** @param {ArrayBuffer} bytes @param {() => boolean} wanted asked when its turn has come @returns {Promise<boolean>} */
  append(bytes, wanted) {
    return this.#turn(async () => {
      if (!this.#buffer || !wanted()) return false;
      try {
        await this.#updated(() => this.#buffer?.appendBuffer(bytes));
      } catch (error) {
        if (!(error instanceof DOMException) || error.name !== 'QuotaExceededError') throw error;
        await this.#drop(0, this.video.currentTime - 1);
        await this.#drop(this.video.currentTime + 4, Infinity);
        await this.#updated(() => this.#buffer?.appendBuffer(bytes));
      }
      return true;
    });
  }

  /** @param {number} from s @param {number} to s */
  async #drop(from, to) {
    if (this.#buffer?.buffered.length && to > from) await this.#updated(() => this.#buffer?.remove(from, to));
  }

  /** Removes what lies further behind than is kept. */
  trim() {
    const until = this.video.currentTime - BEHIND_S;
    const first = this.ranges()[0];
    // A little at a time would keep the buffer busy; a few seconds at once do not.
    if (!first || until - first[0] < 4) return Promise.resolve();
    return this.#turn(() => this.#drop(0, until));
  }

  clear() {
    return this.#turn(() => this.#drop(0, Infinity));
  }

  /** @returns {[number, number][]} what is buffered, in seconds of the element */
  ranges() {
    const buffered = this.#buffer && this.source.readyState !== 'closed' ? this.#buffer.buffered : this.video.buffered;
    return Array.from({ length: buffered.length }, (_, n) => [buffered.start(n), buffered.end(n)]);
  }

  /** @param {number} s @returns {[number, number]|null} the stretch around a place */
  around(s) {
    return this.ranges().find(([start, end]) => start - 0.05 <= s && s < end) ?? null;
  }

  close() {
    URL.revokeObjectURL(this.url);
    this.video.removeAttribute('src');
    this.video.load();
  }
}

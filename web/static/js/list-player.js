// Recorded pictures where a browser cannot be fed (Safari before 17.1 on phones): it plays the box's list of an hour by
// itself. Invariants: same questions and events as ReviewPlayer, as far as a list can answer them; the picture goes when
// the right to it goes. It plays the small stream: a list cannot choose by itself.

import { now } from './i18n.js';
import { TAKES_PICTURE, againIn, kindOf } from './playback-trouble.js';
import { HOUR_MS } from './zone-day.js';

/** Until the newest footage is looked for again. */
const AGAIN_MS = 2000;

export class ListPlayer extends EventTarget {
  position = 0;
  rate = 1;
  wants = false;
  stream = 'sub';
  #hour = 0;
  #failures = 0;

  /**
   * @param {HTMLVideoElement} video @param {import('./playback-api.js').PlaybackApi} api
   * @param {() => import('./day-facts.js').DayFacts} facts of the day that is looked at
   */
  constructor(video, api, facts) {
    super();
    [this.video, this.api, this.facts] = [video, api, facts];
    video.addEventListener('timeupdate', () => {
      if (video.seeking || !video.currentSrc) return;
      this.position = this.#toMs(video.currentTime * 1000);
      this.#tell('time');
    });
    video.addEventListener('playing', () => [this.#failures = 0, this.#tell('well')]);
    video.addEventListener('ended', () => this.#next());
    video.addEventListener('error', () => this.#failed(new TypeError('media')));
  }

  /** @param {string} name @param {any} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @returns {[number, number][]} stretches with footage in this hour: a list has no holes, so its time runs over them */
  #spans() {
    const [from, to] = [this.#hour, this.#hour + HOUR_MS];
    const found = /** @type {[number, number][]} */ (this.facts().spans.map(([a, b]) => [Math.max(a, from), Math.min(b, to)]).filter(([a, b]) => b > a));
    return found.length ? found : [[from, to]];
  }

  /** @param {number} at ms of the element @returns {number} UTC ms */
  #toMs(at) {
    let left = at;
    for (const [from, to] of this.#spans()) {
      if (left < to - from) return from + left;
      left -= to - from;
    }
    return this.#hour + HOUR_MS - 1;
  }

  /** @param {number} ms UTC @returns {number} seconds of the element */
  #toS(ms) {
    return this.#spans().reduce((sum, [from, to]) => sum + Math.max(0, Math.min(ms, to) - from), 0) / 1000;
  }

  /** The list is over: the next hour, or the same one again with what was recorded meanwhile. */
  #next() {
    const at = this.position;
    const later = this.#hour + HOUR_MS;
    this.#hour = 0;
    if (later < now()) this.seek(later);
    else setTimeout(() => this.#hour || this.seek(at + 100), AGAIN_MS);
  }

  /** @param {number} ms */
  async seek(ms) {
    this.position = ms;
    this.#tell('time');
    const hour = Math.floor(ms / HOUR_MS) * HOUR_MS;
    try {
      if (hour !== this.#hour || !this.video.getAttribute('src')) {
        this.#hour = hour;
        this.video.src = await this.api.list(ms);
        await new Promise((resolve) => this.video.addEventListener('loadedmetadata', resolve, { once: true }));
      }
      this.video.currentTime = this.#toS(ms);
      this.video.playbackRate = this.rate;
      if (this.wants) await this.video.play();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    const kind = kindOf(error);
    if (kind === 'aborted') return;
    this.#failures += 1;
    if (TAKES_PICTURE.includes(kind)) this.stop();
    this.#tell('trouble', { kind, error });
    const wait = againIn(kind, this.#failures, Math.random());
    if (wait !== Infinity) setTimeout(() => this.seek(this.position), wait);
  }

  stop() {
    this.video.pause();
    this.video.removeAttribute('src');
    this.video.load();
    this.wants = false;
    this.#tell('playing');
  }

  /** @param {boolean} wants */
  play(wants) {
    this.wants = wants;
    if (wants) this.video.play().catch(() => undefined);
    else this.video.pause();
    this.#tell('playing');
  }

  /** @param {number} rate */
  speed(rate) {
    this.rate = this.video.playbackRate = rate;
  }

  enlarge() {}

  /** @param {number} frames */
  step(frames) {
    this.play(false);
    this.video.currentTime += frames / 15;
  }

  stats() {
    return { position: this.position, stream: this.stream, sent: this.api.sent };
  }
}

// Recorded pictures where a browser cannot be fed (Safari before 17.1 on phones): it plays the box's list of an hour by
// itself. Invariants: same questions and events as ReviewPlayer, as far as a list can answer them; the picture goes when
// the right to it goes. It plays the small stream: a list cannot choose by itself.

import { TAKES_PICTURE, againIn, kindOf } from './playback-trouble.js';
import { HOUR_MS } from './zone-day.js';

export class ListPlayer extends EventTarget {
  position = 0;
  rate = 1;
  wants = false;
  stream = 'sub';
  #hour = 0;
  #failures = 0;

  /** @param {HTMLVideoElement} video @param {import('./playback-api.js').PlaybackApi} api */
  constructor(video, api) {
    super();
    [this.video, this.api] = [video, api];
    video.addEventListener('timeupdate', () => {
      this.position = this.#start() + video.currentTime * 1000;
      this.#tell('time');
    });
    video.addEventListener('playing', () => [this.#failures = 0, this.#tell('well')]);
    video.addEventListener('ended', () => this.seek(this.#hour + HOUR_MS));
    video.addEventListener('error', () => this.#failed(new TypeError('media')));
  }

  /** @param {string} name @param {any} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @returns {number} UTC ms of the element's zero, as the list states it */
  #start() {
    const date = /** @type {any} */ (this.video).getStartDate?.();
    return date && !Number.isNaN(date.getTime()) ? date.getTime() : this.#hour;
  }

  /** @param {number} ms */
  async seek(ms) {
    this.position = ms;
    this.#tell('time');
    const hour = Math.floor(ms / HOUR_MS) * HOUR_MS;
    try {
      if (hour !== this.#hour || !this.video.src) {
        this.#hour = hour;
        this.video.src = await this.api.list(ms);
        await new Promise((resolve) => this.video.addEventListener('loadedmetadata', resolve, { once: true }));
      }
      this.video.currentTime = (ms - this.#start()) / 1000;
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
    return { stream: this.stream, sent: this.api.sent };
  }
}

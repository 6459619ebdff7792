// <live-view camera="…" name="…" still="320|640" stream="sub|main" every="2" last>: one camera, as it is now.
//
// Ladder: a still at once, video over it as soon as it flows, stills again while the link is weak. Invariants:
// a picture older than 3 s always shows its age; nothing is fetched while the page or the element is hidden;
// when the right to see ends, the pixels go before anything else happens; no state is final.
//
// Attribute `data-state`: idle, opening, still, live, stalled, weak, tap, offline, ended, gone.
// Events (bubbling): `live-state` {state, reason}, `live-ended` {reason}, `live-signed-out`.

import { ApiError, call } from './api.js';
import { make } from './dom.js';
import { has, t } from './i18n.js';
import { chipParts, midParts } from './live-paint.js';
import { FIRST_FRAME_MS, GIVE_UP_MS, LAST_MS, STALE_MS, shownAge, stillDelay, videoDelay } from './retry.js';
import { WhepSession } from './whep.js';

const TICK_MS = 250;
const PATIENCE = 2;
const WEAK_EVERY_MS = 5000;
const ENDED_AGAIN_MS = 30000;

export class LiveView extends HTMLElement {
  /** @type {WhepSession|null} */ #session = null;
  #state = 'idle';
  #reason = '';
  #running = false;
  /** Unknown until the observer has looked: a tile below the fold asks for nothing. */ #visible = false;
  #stillOnly = false;
  /** @type {number|null} by the page's clock; may be before the page began */ #stillAt = null;
  #stillCaptured = 0;
  #stillBusy = false;
  #stillFails = 0;
  #nextStill = 0;
  /** The box says that the camera is gone, or has only an old picture of it. */ #lost = false;
  #frameAt = 0;
  #opened = 0;
  #videoFails = 0;
  #nextVideo = 0;
  #timer = 0;
  #bytes = 0;
  #abort = new AbortController();
  /** @type {IntersectionObserver|null} */ #watcher = null;

  connectedCallback() {
    if (!this.#image) this.#build();
    this.#watcher = new IntersectionObserver((entries) => {
      this.#visible = entries[entries.length - 1].isIntersecting;
      this.#wake();
    }, { rootMargin: '100px' });
    this.#watcher.observe(this);
    document.addEventListener('visibilitychange', this.#wake);
    addEventListener('online', this.#wake);
    addEventListener('pagehide', this.#sleep);
    addEventListener('pageshow', this.#wake);
  }

  disconnectedCallback() {
    this.#watcher?.disconnect();
    document.removeEventListener('visibilitychange', this.#wake);
    removeEventListener('online', this.#wake);
    removeEventListener('pagehide', this.#sleep);
    removeEventListener('pageshow', this.#wake);
    this.#sleep();
  }

  /** @returns {string} */
  get state() {
    return this.#state;
  }

  /** Shows stills only (data saver), or lets video come back. @param {boolean} on */
  set stillOnly(on) {
    this.#stillOnly = on;
    if (on) this.#drop();
    this.#nextStill = this.#nextVideo = this.#videoFails = 0;
    if (this.#running) this.#to('opening');
  }

  /** Tries everything again at once. */
  retry() {
    this.#nextStill = this.#nextVideo = this.#videoFails = this.#stillFails = 0;
    if (this.#running && ['ended', 'gone', 'offline', 'weak'].includes(this.#state)) this.#to('opening');
  }

  /** Figures for people who look closely, and for tests. */
  async stats() {
    const video = this.#session ? await this.#session.stats() : {};
    return { ...video, element: this.#state, stillBytes: this.#bytes, ageMs: this.#age(), failures: this.#videoFails };
  }

  // life

  #wake = () => {
    if (document.hidden || !this.#visible) return this.#sleep();
    if (this.#running) return undefined;
    this.#running = true;
    this.#abort = new AbortController();
    this.#nextStill = this.#nextVideo = this.#videoFails = this.#stillFails = 0;
    this.#to('opening');
    this.#timer = setInterval(this.#tick, TICK_MS);
    this.#tick();
    return undefined;
  };

  #sleep = () => {
    if (!this.#running) return;
    this.#running = false;
    clearInterval(this.#timer);
    this.#abort.abort();
    this.#drop();
    this.#to('idle');
  };

  #tick = () => {
    const time = performance.now();
    if (this.#session) this.#judge(time);
    const wantsStill = this.#state !== 'live' && this.#state !== 'tap';
    if (wantsStill && !this.#stillBusy && time >= this.#nextStill) this.#fetchStill();
    const wantsVideo = !this.#stillOnly && !this.#session && !['ended', 'gone'].includes(this.#state);
    if (wantsVideo && time >= this.#nextVideo) this.#openVideo();
    this.#paint();
  };

  /** Says what the open session is worth now. @param {number} time */
  #judge(time) {
    const silent = time - (this.#frameAt || this.#opened);
    if (!this.#frameAt) {
      if (silent > FIRST_FRAME_MS) this.#videoFailed();
    } else if (silent > GIVE_UP_MS) {
      this.#videoFailed();
    } else if (silent > STALE_MS && this.#state === 'live') {
      this.#nextStill = 0;
      this.#to('stalled');
    }
  }

  // stills

  async #fetchStill() {
    this.#stillBusy = true;
    const { signal } = this.#abort;
    try {
      const url = `/api/cameras/${this.getAttribute('camera')}/still.jpg?w=${this.getAttribute('still') || '640'}`;
      const response = await call(url, { signal });
      const [captured, age] = [response.headers.get('X-Captured-At'), response.headers.get('X-Age')];
      const blob = await response.blob();
      this.#bytes += blob.size;
      if (!signal.aborted) this.#showStill(blob, Number(captured), performance.now() - Number(age));
    } catch (error) {
      if (!signal.aborted) this.#stillFailed(error);
    } finally {
      this.#stillBusy = false;
    }
  }

  /** @param {Blob} blob @param {number} captured UTC ms @param {number} at the same on the page's clock */
  #showStill(blob, captured, at) {
    const image = /** @type {HTMLImageElement} */ (this.#image);
    const old = image.src;
    image.src = URL.createObjectURL(blob);
    if (old.startsWith('blob:')) URL.revokeObjectURL(old);
    [this.#stillAt, this.#stillCaptured, this.#stillFails] = [at, captured, 0];
    this.#nextStill = performance.now() + stillDelay(0, this.#every, 0);
    // An old still is a lost camera's last picture: small, grey and dated, never as large as a present one.
    this.#lost = performance.now() - at > LAST_MS;
    image.hidden = this.#lost;
    this.#painted = '';
    if (this.#state === 'live' || this.#state === 'tap') return;
    if (['ended', 'gone'].includes(this.#state)) this.#nextVideo = 0;
    this.#settle();
  }

  /** @param {unknown} error */
  #stillFailed(error) {
    this.#stillFails += 1;
    this.#nextStill = performance.now() + stillDelay(this.#stillFails, this.#every, Math.random());
    this.#refused(error);
  }

  /** Answers that concern still and video alike. @param {unknown} error @returns {boolean} */
  #refused(error) {
    if (!(error instanceof ApiError)) return false;
    if (error.status === 401) {
      this.#blank();
      this.#emit('live-signed-out');
    } else if (error.status === 403) this.#ended(error.reason, error.why);
    else if (error.status === 404) this.#gone();
    else if (error.code.startsWith('camera') && this.#state !== 'live') {
      this.#lost = true;
      /** @type {HTMLImageElement} */ (this.#image).hidden = true;
      this.#settle();
    } else return false;
    return true;
  }

  // video

  async #openVideo() {
    const url = `/whep/${this.getAttribute('camera')}?stream=${this.getAttribute('stream') || 'sub'}`;
    [this.#opened, this.#frameAt] = [performance.now(), 0];
    const session = new WhepSession(url, {
      track: (track) => this.#attach(session, track),
      ended: (reason) => {
        if (session !== this.#session) return;
        this.#session = null;
        if (reason) this.#ended(reason, has(`reason.${reason}`) ? t(`reason.${reason}`) : '');
        else this.#videoFailed();
      },
    });
    this.#session = session;
    try {
      await session.open();
    } catch (error) {
      session.close();
      if (session !== this.#session) return;
      this.#session = null;
      if (!this.#refused(error) || this.#lost) this.#videoFailed();
    }
  }

  /** @param {WhepSession} session @param {MediaStreamTrack} track */
  #attach(session, track) {
    if (session !== this.#session) return;
    const video = /** @type {HTMLVideoElement} */ (this.#video);
    video.srcObject = new MediaStream([track]);
    const frame = () => {
      if (session !== this.#session) return;
      this.#frameAt = performance.now();
      if (this.#state !== 'live') {
        this.#videoFails = 0;
        this.#lost = false;
        this.#to('live');
      }
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
    video.play().catch(() => {
      // Low Power Mode and data savers refuse to play without a tap: ask for one.
      if (session === this.#session && !this.#frameAt) this.#to('tap');
    });
  }

  #videoFailed() {
    this.#drop();
    this.#videoFails += 1;
    this.#nextVideo = performance.now() + videoDelay(this.#videoFails, Math.random());
    this.#nextStill = Math.min(this.#nextStill, performance.now());
    this.#settle();
  }

  /** What stands there while no video flows; one or two failed tries are no weak network yet. */
  #settle() {
    if (this.#lost) this.#to('offline');
    else if (this.#stillAt === null) this.#to('opening');
    else this.#to(this.#stillOnly || this.#videoFails > PATIENCE || this.#state === 'stalled' ? 'weak' : 'still');
  }

  #drop() {
    this.#session?.close();
    this.#session = null;
    const video = this.#video;
    if (video) video.srcObject = null;
  }

  // ends

  /** @param {string} reason @param {string} why */
  #ended(reason, why) {
    this.#blank();
    this.#nextStill = performance.now() + ENDED_AGAIN_MS * (0.75 + Math.random() / 2);
    this.#to('ended', why || t('end.other'));
    this.#emit('live-ended', { reason });
  }

  #gone() {
    this.#blank();
    this.#nextStill = performance.now() + ENDED_AGAIN_MS;
    this.#to('gone', t('end.gone'));
  }

  #blank() {
    this.#drop();
    const image = /** @type {HTMLImageElement} */ (this.#image);
    if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
    image.removeAttribute('src');
    image.hidden = true;
    this.#stillAt = null;
  }

  // what is shown

  /** @type {HTMLImageElement|null} */ #image = null;
  /** @type {HTMLVideoElement|null} */ #video = null;
  /** @type {HTMLElement|null} */ #chip = null;
  /** @type {HTMLElement|null} */ #mid = null;
  #painted = '';

  #build() {
    this.#image = /** @type {HTMLImageElement} */ (make('img'));
    this.#image.hidden = true;
    this.#image.alt = '';
    this.#video = /** @type {HTMLVideoElement} */ (make('video'));
    Object.assign(this.#video, { muted: true, playsInline: true, disablePictureInPicture: true });
    this.#video.setAttribute('aria-label', t('live.of', { name: this.getAttribute('name') }));
    this.#chip = make('div', 'chip-at');
    this.#mid = make('div', 'mid');
    this.append(this.#image, this.#video, this.#mid, this.#chip);
  }

  get #every() {
    if (this.#state === 'opening' || this.#state === 'still') return 1000;
    return this.#state === 'offline' ? 10000 : Number(this.getAttribute('every') || 0) * 1000 || WEAK_EVERY_MS;
  }

  #age() {
    const shown = ['live', 'stalled'].includes(this.#state) ? this.#frameAt : this.#stillAt;
    return shown === null ? 0 : performance.now() - shown;
  }

  /** @param {string} state @param {string} [reason] */
  #to(state, reason = '') {
    if (state === this.#state && reason === this.#reason) return;
    [this.#state, this.#reason] = [state, reason];
    this.dataset.state = state;
    this.#paint();
    this.#emit('live-state', { state, reason });
  }

  /** @param {string} name @param {object} [detail] */
  #emit(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  /** Draws chip and middle when what they say differs from what stands there. */
  #paint() {
    const age = shownAge(this.#age());
    const signature = `${this.#state}|${this.#reason}|${age}|${this.#stillAt !== null}|${navigator.onLine}`;
    if (signature === this.#painted || !this.#chip || !this.#mid) return;
    this.#painted = signature;
    const shown = {
      state: this.#state,
      reason: this.#reason,
      age,
      picture: this.#stillAt !== null && !this.#lost,
      lastUrl: this.hasAttribute('last') ? this.#image?.getAttribute('src') || '' : '',
      lastAt: this.#stillCaptured,
      why: this.getAttribute('why') || 'cam.state.down',
      since: Number(this.getAttribute('since') || 0),
      play: () => this.#video?.play().then(() => this.#to('still'), () => this.#videoFailed()),
    };
    this.#chip.replaceChildren(...chipParts(shown));
    this.#mid.replaceChildren(...midParts(shown));
    this.#mid.className = this.#state === 'opening' && this.#stillAt !== null ? 'mid over' : 'mid';
  }
}

customElements.define('live-view', LiveView);

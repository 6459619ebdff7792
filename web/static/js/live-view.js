// <live-view camera="…" name="…" still="320|640" stream="sub|main" every="2" last>: one camera, as it is now; a small
// picture takes sub even where `stream` allows main. Ladder: a still at once, video over it as soon as it flows, stills
// again while the link is weak (the box says so, lets media rest and says when it tries again). Invariants:
// a picture older than 3 s always shows its age; nothing is fetched while the page or the element is hidden;
// when the right to see ends, the pixels go before anything else happens; no state is final; a joining stream
// begins with pictures that may be old, so it counts as live only once something proves that it is.
// The page may set `down` (the box has lost the camera) and `norec` (it is not recorded).
// Attribute `data-state`: idle, opening, still, live, stalled, weak, turn, tap, offline, ended, gone.
// Events (bubbling): `live-state` {state, reason}, `live-ended` {reason}, `live-signed-out`, `live-turn` (turns.js).

import { ApiError } from './api.js';
import { has, t } from './i18n.js';
import { paint, parts, told } from './live-paint.js';
import { watchPresence } from './presence.js';
import { FIRST_FRAME_MS, GIVE_UP_MS, LAST_MS, STALE_MS, flows, isFirst, shownAge, stillDelay, stillEvery, streamFor, videoDelay } from './retry.js';
import { fetchStill, letGo } from './still.js';
import { FULL, PLAIN, heldWords, isHeld } from './turns.js';
import { videoOf } from './wall.js';

const [TICK_MS, PATIENCE, WEAK_EVERY_MS, ENDED_AGAIN_MS, GONE_AGAIN_MS] = [250, 2, 5000, 30000, 10000];
/** A still that is this much later than its pace allows is no picture of now any more. */
const LATE_MS = 4000;

export class LiveView extends HTMLElement {
  /** @type {import('./wall.js').Video|null} */ #session = null;
  #state = 'idle';
  #reason = '';
  #running = false;
  /** Unknown until the observer has looked. */ #visible = false;
  #stillOnly = false;
  /** @type {number|null} by the page's clock; may be before the page began */ #stillAt = null;
  #stillCaptured = 0;
  #stillBusy = false;
  /** Counts ends of the right to see: a still asked for before is not shown after. */ #epoch = 0;
  #stillFails = 0;
  #nextStill = 0;
  /** The box says that the camera is gone, or has only an old picture of it. */ #lost = false;
  #frameAt = 0;
  #firstFrameAt = 0;
  #opened = 0;
  /** The instant that the picture of a stall shows; 0 = no stall since the last live picture. */ #stoppedAt = 0;
  #missing = 0;
  #elsewhere = false;
  /** @type {import('./turns.js').Turn|null} the box gives stills instead of video */ #held = null;
  /** The box lets media rest: the link is too weak for it. */ #resting = false;
  /** Stream that the picture's size asks for. */ #wants = '';
  #videoFails = 0;
  #nextVideo = 0;
  #timer = 0;
  #bytes = 0;
  #abort = new AbortController();
  /** @type {() => void} */ #leave = () => {};

  static observedAttributes = ['down', 'norec', 'full', 'stream'];

  attributeChangedCallback(/** @type {string} */ name) {
    if (name === 'stream') return void this.#measure();
    this.#painted = '';
    if (this.hasAttribute('down') && ['still', 'stalled', 'weak', 'turn'].includes(this.#state)) this.#settle();
  }

  connectedCallback() {
    if (!this.#image) {
      [this.#image, this.#video, this.#mid, this.#chip] = parts(this.getAttribute('name') || '');
      this.append(this.#image, this.#video, this.#mid, this.#chip);
    }
    const seen = (/** @type {boolean} */ visible) => {
      this.#visible = visible;
      this.#wake();
    };
    this.#leave = watchPresence(this, { seen, wake: this.#wake, sleep: this.#sleep, sized: this.#measure });
  }

  disconnectedCallback() {
    this.#leave();
    this.#sleep();
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

  /** @param {Event} [event] */
  #wake = (event) => {
    if (document.hidden || !this.#visible) this.#sleep();
    else if (!this.#running || event?.type === 'online') this.#begin();
  };

  #begin() {
    this.#nextStill = this.#nextVideo = this.#videoFails = this.#stillFails = 0;
    if (this.#resting) this.#drop(); // another network: the weak one is gone
    if (this.#running) return;
    this.#running = true;
    this.#abort = new AbortController();
    this.#to('opening');
    this.#timer = setInterval(this.#tick, TICK_MS);
    this.#tick();
  }

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
    if (this.#state !== 'live' && !this.#stillBusy && time >= this.#nextStill) this.#fetchStill();
    const wantsVideo = !this.#stillOnly && !this.#session && !['ended', 'gone'].includes(this.#state);
    if (wantsVideo && time >= this.#nextVideo) this.#openVideo();
    if (this.#age() > this.#pace + LATE_MS && ['still', 'weak', 'turn'].includes(this.#state)) this.#settle();
    this.#paint();
  };

  /** Says what the open session is worth now. @param {number} time */
  #judge(time) {
    if (this.#state === 'tap' || this.#resting || this.#held) return;
    const silent = time - Math.max(this.#frameAt, this.#opened);
    if (silent > (this.#frameAt ? GIVE_UP_MS : FIRST_FRAME_MS)) this.#videoFailed();
    else if (this.#frameAt && silent > STALE_MS && this.#state === 'live') {
      this.#nextStill = 0;
      this.#stoppedAt = this.#frameAt;
      this.#to('stalled');
    }
  }

  async #fetchStill() {
    this.#stillBusy = true;
    const [{ signal }, epoch] = [this.#abort, this.#epoch];
    try {
      const still = await fetchStill(this.getAttribute('camera'), this.getAttribute('still') || '640', signal);
      this.#bytes += still.bytes;
      if (!signal.aborted && epoch === this.#epoch) this.#showStill(still);
      else still.forget();
    } catch (error) {
      if (!signal.aborted) this.#stillFailed(error);
    } finally {
      this.#stillBusy = false;
    }
  }

  /** @param {import('./still.js').Still} still */
  #showStill(still) {
    const old = /** @type {HTMLImageElement} */ (this.#image);
    this.#image = still.image;
    old.replaceWith(still.image);
    letGo(old);
    [this.#stillAt, this.#stillCaptured, this.#stillFails, this.#missing] = [still.at, still.captured, 0, 0];
    this.#nextStill = performance.now() + stillDelay(0, this.#every(), 0);
    // A lost camera's last picture is small, grey and dated, never as large as a present one.
    this.#lost = performance.now() - still.at > LAST_MS;
    still.image.hidden = this.#lost;
    this.#painted = '';
    if (this.#state === 'live' || (this.#state === 'tap' && !this.#lost)) return;
    if (still.at > this.#frameAt || this.#held) this.removeAttribute('data-video');
    if (['ended', 'gone'].includes(this.#state)) this.#nextVideo = 0;
    this.#settle();
  }

  /** @param {unknown} error */
  #stillFailed(error) {
    this.#stillFails += 1;
    this.#nextStill = performance.now() + stillDelay(this.#stillFails, this.#every(), Math.random());
    this.#refused(error);
  }

  /** Answers that concern still and video alike. @param {unknown} error @returns {boolean} */
  #refused(error) {
    if (!(error instanceof ApiError)) return false;
    if (error.status === 401) {
      this.#blank();
      this.#emit('live-signed-out');
    } else if (error.status === 403) this.#ended(error.reason, error.why);
    else if (error.status === 404) {
      // A box that starts again does not know its cameras for a moment: only the second answer counts.
      this.#missing += 1;
      if (this.#missing > 1) {
        this.#blank();
        this.#nextStill = performance.now() + GONE_AGAIN_MS;
        this.#to('gone', t('end.gone'));
      }
    } else if (error.code.startsWith('camera') && this.#state !== 'live') {
      this.#lost = true;
      this.#settle();
    } else return false;
    return true;
  }

  async #openVideo() {
    this.#measure();
    [this.#opened, this.#frameAt, this.#firstFrameAt, this.#held] = [performance.now(), 0, 0, null];
    const session = videoOf(this.getAttribute('camera') || '', this.#wants, {
      track: (track) => this.#attach(session, track),
      ended: (reason, code) => session === this.#session && this.#over(reason, code),
      link: (news) => session === this.#session && this.#linkSays(news),
      turn: (turn) => session === this.#session && this.#placed(turn),
    });
    session.want(this.#wants);
    this.#session = session;
    try {
      await session.open();
    } catch (error) {
      session.close();
      if (session !== this.#session) return;
      this.#session = null;
      const missing = error instanceof ApiError && error.status === 404; // whether there is a camera, the still says
      if (missing || !this.#refused(error) || this.#lost) this.#videoFailed(error instanceof ApiError ? error.code : '');
    }
  }

  /** @param {string} reason @param {string} code */
  #over(reason, code) {
    this.#session = null;
    if (reason) this.#ended(reason, has(`reason.${reason}`) ? t(`reason.${reason}`) : '');
    else this.#videoFailed(code);
  }

  /** @param {import('./wall.js').Video} session @param {MediaStreamTrack} track */
  #attach(session, track) {
    if (session !== this.#session) return;
    const video = /** @type {HTMLVideoElement} */ (this.#video);
    video.srcObject = new MediaStream([track]);
    const frame = () => {
      if (session !== this.#session) return;
      video.requestVideoFrameCallback(frame);
      if (video.paused || this.#resting || this.#held) return; // drawn without playing, or still on its way
      this.#frameAt = performance.now();
      this.#firstFrameAt ||= this.#frameAt;
      if (this.#state !== 'live' && flows(this.#frameAt, this.#firstFrameAt, this.#stillAt)) {
        this.#videoFails = this.#stoppedAt = 0;
        this.#lost = false;
        this.toggleAttribute('data-video', true);
        this.#to('live');
      }
    };
    video.requestVideoFrameCallback(frame);
    video.play().catch(() => {
      // Low Power Mode and data savers refuse to play without a tap: ask for one.
      if (session === this.#session && !this.#frameAt) this.#to('tap');
    });
  }

  /** @param {string} news weak: media rests, stills have the link; video: it is tried again */
  #linkSays(news) {
    this.#resting = news === 'weak';
    this.#nextStill = 0;
    if (this.#resting) this.#settle();
    else [this.#opened, this.#firstFrameAt] = [performance.now() + FIRST_FRAME_MS, 0]; // its key frame may be long in coming
  }

  /** Asks for the stream that fits the picture. */
  #measure = () => {
    const wants = streamFor(this.getAttribute('stream') || 'sub', this.clientWidth * devicePixelRatio, this.#wants);
    if (wants === this.#wants) return;
    this.#wants = wants;
    this.#session?.want(wants);
  };

  #videoFailed(code = '') {
    this.toggleAttribute('full', code.endsWith('transcodes')); // the box's doing, not the link's
    this.#drop();
    if (code === 'live_full') this.#placed(FULL);
    this.#videoFails += 1;
    this.#nextVideo = performance.now() + videoDelay(this.#videoFails, Math.random());
    this.#nextStill = Math.min(this.#nextStill, performance.now());
    this.#settle();
  }

  /**
   * What stands there while no video flows. Fresh stills without video are a weak link, but one or two failed
   * tries are not; without a fresh still, the camera or the box stands, and the picture says since when.
   */
  #settle() {
    const first = isFirst(this.#videoFails, this.#stoppedAt, performance.now() - this.#opened);
    if (this.hasAttribute('down') && this.#state !== 'live') this.#lost = true;
    if (this.#lost) {
      /** @type {HTMLImageElement} */ (this.#image).hidden = true;
      this.#to('offline');
    } else if (this.#stillAt === null && !this.hasAttribute('data-video')) this.#to('opening');
    else if ((this.#age() > this.#pace + LATE_MS && !this.#held && !first) || (this.#stoppedAt && Number(this.#stillAt) < this.#stoppedAt + 500)) {
      this.#stoppedAt ||= performance.now() - this.#age();
      this.#to('stalled');
    } else {
      const failed = !this.hasAttribute('full') && (this.#videoFails > PATIENCE || (this.#stoppedAt && !this.#session));
      const less = this.#held ? 'turn' : this.#resting || failed ? 'weak' : 'still';
      this.#to(this.#stillOnly ? 'still' : less, this.#stillOnly ? '' : heldWords(this.#held));
    }
  }

  /** Takes what the box gives; the key frame of video that comes again may be long in coming. @param {import('./turns.js').Turn} turn */
  #placed(turn) {
    const [was, held] = [this.#held, isHeld(turn) ? turn : null];
    this.#held = held;
    if (!was !== !held) [this.#nextStill, this.#stoppedAt] = [0, 0];
    if (was && !held) [this.#opened, this.#firstFrameAt] = [performance.now() + FIRST_FRAME_MS, 0];
    if (was || held) this.#settle();
    this.#emit('live-turn', turn);
  }

  #drop() {
    this.#emit('live-turn', PLAIN);
    this.#session?.close();
    this.#session = this.#held = null;
    this.#resting = false;
    if (this.#video) this.#video.srcObject = null;
    this.removeAttribute('data-video');
  }

  /** @param {string} reason @param {string} why */
  #ended(reason, why) {
    this.#blank();
    // Another device of the same person: only a tap takes the picture back, or the two would take turns.
    this.#elsewhere = reason === 'device.other';
    this.#nextStill = this.#elsewhere ? Infinity : performance.now() + ENDED_AGAIN_MS * (0.75 + Math.random() / 2);
    this.#to('ended', why || t('end.other'));
    this.#emit('live-ended', { reason });
  }

  #blank() {
    this.#epoch += 1;
    this.#drop();
    const image = /** @type {HTMLImageElement} */ (this.#image);
    letGo(image);
    image.removeAttribute('src');
    image.hidden = true;
    [this.#stillAt, this.#stoppedAt] = [null, 0];
  }

  /** @type {HTMLImageElement|null} */ #image = null; /** @type {HTMLVideoElement|null} */ #video = null;
  /** @type {HTMLElement|null} */ #chip = null; /** @type {HTMLElement|null} */ #mid = null;
  #painted = '';

  /** The pace of stills while they are all there is (ms). */
  get #pace() {
    return Number(this.getAttribute('every') || 0) * 1000 || WEAK_EVERY_MS;
  }

  #every = () => stillEvery(this.#state, this.#stillOnly, this.#pace);

  #age() {
    const shown = this.hasAttribute('data-video') ? this.#frameAt : this.#stillAt;
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
      picture: (this.#stillAt !== null || this.hasAttribute('data-video')) && !this.#lost,
      ...told(this),
      back: this.#elsewhere ? () => this.retry() : null,
      lastUrl: this.hasAttribute('last') ? this.#image?.getAttribute('src') || '' : '',
      lastAt: this.#stillCaptured,
      play: () => this.#video?.play().then(() => this.#to('still'), () => this.#videoFailed()),
    };
    paint(this.#chip, this.#mid, shown);
  }
}

customElements.define('live-view', LiveView);

// The day and what is near: two bars, a film strip, the plate with a picture under the pointer. Invariants: both bars
// show the same day and the same place; the near bar moves only when the place leaves its middle, and never under a
// finger; the slider's spoken value is not said more often than somebody can listen. Events: seek, scrub.

import { DayFacts } from './day-facts.js';
import { FilmStrip } from './film-strip.js';
import { clock, clockSeconds, has, now, t } from './i18n.js';
import { ThumbLoader } from './thumb-loader.js';
import { TimeBar } from './time-bar.js';
import { HOUR_MS, MINUTE_MS, SECOND_MS, dayOf, spoken } from './zone-day.js';

/** Zoom: how long the near bar is, and its marks. */
const LEVELS = { day: [0, 0], hour: [HOUR_MS, 10 * MINUTE_MS], near: [10 * MINUTE_MS, 2 * MINUTE_MS] };
const NAMES = /** @type {(keyof LEVELS)[]} */ (Object.keys(LEVELS));
const SPEAK_MS = 5000;
const FIRST_HOUR = '00:00';
const LAST_HOUR = '24:00';

/** @param {string} cause @returns {string} */
export const causeWords = (cause) => (has(`reason.gap.${cause}`) ? t(`reason.gap.${cause}`) : t('review.gap.unknown'));

export class ReviewTimeline extends EventTarget {
  #scrubbing = false;
  #spoken = 0;
  #position = 0;
  level = /** @type {keyof LEVELS} */ ('hour');

  /** @param {HTMLElement} root @param {import('./playback-api.js').PlaybackApi} api @param {number} ms */
  constructor(root, api, ms) {
    super();
    const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (root.querySelector(`#${id}`));
    this.root = root;
    this.facts = new DayFacts(...dayOf(ms), null);
    this.day = new TimeBar(part('day-bar'), part('day-hours'), 6);
    this.near = new TimeBar(part('near-bar'), part('near-hours'), 8);
    this.window = part('near-window');
    this.film = new FilmStrip(part('film'), api);
    this.plate = part('hover');
    [this.picture, this.when, this.why] = [part('hover-picture'), part('hover-time'), part('hover-why')];
    this.thumbs = new ThumbLoader(api, 320, (url) => this.#pictured(url));
    for (const bar of [this.day, this.near]) this.#listen(bar);
    for (const button of root.querySelectorAll('[data-zoom]')) {
      button.addEventListener('click', () => this.zoom(/** @type {keyof LEVELS} */ (/** @type {HTMLElement} */ (button).dataset.zoom)));
    }
    // Marks are placed within a stretch from the first paint on: before any answer, a place in it is a true one.
    this.know(this.facts);
    this.place(ms);
    new ResizeObserver(() => this.paint()).observe(root);
  }

  /** @param {TimeBar} bar */
  #listen(bar) {
    const of = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
    bar.addEventListener('hover', (event) => this.#hover(of(event)));
    bar.addEventListener('scrub', (event) => this.#scrub(of(event)));
    bar.addEventListener('pick', (event) => {
      this.#scrubbing = false;
      this.dispatchEvent(new CustomEvent('seek', { detail: { ms: this.limit(of(event).ms) } }));
      this.#focus(this.#position, false);
    });
  }

  /** @param {number} ms @returns {number} within the day and before now */
  limit(ms) {
    return Math.max(this.facts.start, Math.min(ms, this.facts.end - 1, Math.max(now() - SECOND_MS, this.facts.start)));
  }

  /** @param {{ms: number, x: number, bar: TimeBar}|null} at */
  #hover(at) {
    if (!at || at.ms > now()) {
      this.plate.hidden = true;
      this.picture.hidden = true;
      this.thumbs.drop();
      return;
    }
    const box = this.root.getBoundingClientRect();
    const half = this.plate.offsetWidth / 2 || 104;
    this.plate.hidden = false;
    this.plate.style.left = `${Math.max(half + 4, Math.min(box.width - half - 4, at.x - box.left))}px`;
    this.plate.style.bottom = `${box.bottom - at.bar.root.getBoundingClientRect().top + 8}px`;
    this.when.textContent = clockSeconds(at.ms);
    const gap = this.facts.gapAt(at.ms);
    this.why.textContent = gap ? t('review.gap.here', { cause: causeWords(gap.cause) }) : this.facts.recordedAt(at.ms) ? '' : t('review.none_here');
    this.why.hidden = !this.why.textContent;
    if (this.facts.recordedAt(at.ms)) this.thumbs.want(at.ms, this.#grain(at.bar));
    else {
      this.picture.hidden = true;
      this.thumbs.drop();
    }
  }

  /** @param {TimeBar} bar @returns {number} places nearer to each other than this look the same (ms) */
  #grain(bar) {
    return Math.max(2000, Math.round((bar.view[1] - bar.view[0]) / bar.root.clientWidth) * 3);
  }

  /** @param {string} url */
  #pictured(url) {
    /** @type {HTMLImageElement} */ (this.picture).src = url;
    this.picture.hidden = false;
    if (this.#scrubbing) this.dispatchEvent(new CustomEvent('scrubbed', { detail: { url } }));
  }

  /** @param {{ms: number, x: number, bar: TimeBar}} at */
  #scrub(at) {
    this.#scrubbing = true;
    const ms = this.limit(at.ms);
    this.#hover({ ...at, ms });
    this.place(ms, true);
    this.dispatchEvent(new CustomEvent('scrub', { detail: { ms } }));
  }

  /** @param {DayFacts} facts */
  know(facts) {
    const other = facts.start !== this.facts.start;
    this.facts = facts;
    this.day.view = [facts.start, facts.end];
    if (other) this.film.clear(facts.start);
    if (other || this.near.view[0] < facts.start) this.#focus(this.#position, true);
    this.paint();
  }

  paint() {
    this.day.paint(this.facts);
    if (this.level !== 'day') this.near.paint(this.facts);
    const every = this.root.clientWidth < 310 ? 6 : this.root.clientWidth < 500 ? 4 : 2;
    const marks = Array.from({ length: 24 / every + 1 }, (_, n) => this.facts.start + ((this.facts.end - this.facts.start) * n * every) / 24);
    this.day.label(marks, (ms) => (ms >= this.facts.end ? LAST_HOUR : ms === this.facts.start ? FIRST_HOUR : clock(ms)));
    this.#frame();
    this.place(this.#position, true);
  }

  /** Draws the near bar's marks, and its place on the day. */
  #frame() {
    const [length, step] = LEVELS[this.level];
    this.window.hidden = !length;
    this.near.root.hidden = this.near.hours.hidden = !length;
    if (!length) return;
    const sparse = this.root.clientWidth < 500 ? 2 : 1;
    const first = Math.ceil(this.near.view[0] / (step * sparse)) * step * sparse;
    const marks = [];
    for (let at = first; at <= this.near.view[1]; at += step * sparse) marks.push(at);
    this.near.label(marks, clock);
    const [a, b] = this.near.view.map((ms) => this.day.place(ms));
    this.window.style.left = `${a}%`;
    this.window.style.width = `${b - a}%`;
    this.near.choose(this.span ?? null);
    this.day.choose(this.span ?? null);
  }

  /** Moves the near bar so that a place is in it. @param {number} ms @param {boolean} always */
  #focus(ms, always) {
    const [length, step] = LEVELS[this.level];
    if (!length) return;
    const at = this.near.place(ms);
    if (!always && at > 4 && at < 94) return;
    const from = Math.round((ms - length / 2) / (step / 2)) * (step / 2);
    const start = Math.max(this.facts.start, Math.min(from, this.facts.end - length));
    this.near.view = [start, start + length];
    this.near.paint(this.facts);
    this.#frame();
  }

  /** Shows where the player is. @param {number} ms @param {boolean} [still] leave the near bar where it is */
  place(ms, still = false) {
    this.#position = ms;
    if (!still && !this.#scrubbing) this.#focus(ms, false);
    this.day.point(ms);
    this.near.point(ms);
    const time = performance.now();
    if (!still && time - this.#spoken < SPEAK_MS && this.#spoken) return;
    this.#spoken = time;
    this.say();
  }

  /** Tells a screen reader where the sliders stand. */
  say() {
    const gap = this.facts.gapAt(this.#position);
    const said = spoken(this.#position) + (gap ? `, ${t('review.gap.here', { cause: causeWords(gap.cause) })}` : '');
    for (const bar of [this.day, this.near]) {
      bar.root.setAttribute('aria-valuenow', String(Math.floor((this.#position - this.facts.start) / 1000)));
      bar.root.setAttribute('aria-valuetext', said);
    }
  }

  /** @param {keyof LEVELS} level */
  zoom(level) {
    this.level = level;
    for (const button of this.root.querySelectorAll('[data-zoom]')) {
      button.setAttribute('aria-pressed', String(/** @type {HTMLElement} */ (button).dataset.zoom === level));
    }
    this.#focus(this.#position, true);
    this.#frame();
    if (level !== 'day') this.near.paint(this.facts);
    this.place(this.#position, true);
  }

  /** @param {number} by 1 = nearer */
  zoomBy(by) {
    this.zoom(NAMES[Math.max(0, Math.min(NAMES.length - 1, NAMES.indexOf(this.level) + by))]);
  }

  /** @param {[number, number]|null} span */
  choose(span) {
    this.span = span;
    this.day.choose(span);
    this.near.choose(span);
  }
}

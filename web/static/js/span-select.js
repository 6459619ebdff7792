// A chosen span of time: two handles on the near bar and two typed times. Invariants: the end is after the start, both
// lie within the day and before the newest instant; whatever moves one of them moves all that show it.
// Event: change.

import { clockSeconds, t } from './i18n.js';
import { atClock, dayStart, exactly, parseClock, spoken } from './zone-day.js';

const LEAST_MS = 1000;
/** Around the place that is looked at, when a span is begun. */
const [BEFORE_MS, AFTER_MS] = [60000, 60000];

export class SpanSelect extends EventTarget {
  /** @type {[number, number]|null} */ span = null;

  /**
   * @param {HTMLElement} card @param {import('./time-bar.js').TimeBar} bar
   * @param {() => [number, number]} limits UTC ms
   */
  constructor(card, bar, limits) {
    super();
    [this.bar, this.limits] = [bar, limits];
    this.inputs = /** @type {HTMLInputElement[]} */ ([...card.querySelectorAll('input')]);
    this.handles = /** @type {HTMLElement[]} */ ([...bar.root.querySelectorAll('.sel b')]);
    for (const [n, input] of this.inputs.entries()) input.addEventListener('change', () => this.#typed(n));
    for (const [n, handle] of this.handles.entries()) this.#handle(n, handle);
  }

  /** @param {number} n 0 = start @param {HTMLElement} handle */
  #handle(n, handle) {
    let held = false;
    handle.addEventListener('pointerdown', (event) => {
      event.stopPropagation();
      held = true;
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener('pointermove', (event) => {
      event.stopPropagation();
      if (held) this.move(n, this.bar.at(event.clientX));
    });
    for (const name of ['pointerup', 'pointercancel']) {
      handle.addEventListener(name, (event) => {
        event.stopPropagation();
        held = false;
      });
    }
    handle.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1000, ArrowRight: 1000, ArrowDown: -1000, ArrowUp: 1000, PageDown: -60000, PageUp: 60000 }[event.key];
      if (!step || !this.span) return;
      event.preventDefault();
      event.stopPropagation();
      this.move(n, this.span[n] + step * (event.shiftKey ? 10 : 1));
    });
  }

  /** @param {number} n */
  #typed(n) {
    const input = this.inputs[n];
    const seconds = parseClock(input.value);
    input.toggleAttribute('aria-invalid', seconds === null);
    if (seconds === null) return;
    const ms = atClock(dayStart(this.limits()[0]), seconds);
    if (this.span) this.move(n, ms);
    else this.set(n ? ms - BEFORE_MS : ms, n ? ms : ms + AFTER_MS);
  }

  /** @param {number} n @param {number} ms */
  move(n, ms) {
    if (!this.span) return;
    const [from, to] = this.span;
    this.set(n ? from : Math.min(ms, to - LEAST_MS), n ? Math.max(ms, from + LEAST_MS) : to);
  }

  /** @param {number} n 0 = begins, 1 = ends here @param {number} ms */
  mark(n, ms) {
    if (!this.span) this.set(n ? ms - BEFORE_MS : ms, n ? ms : ms + AFTER_MS);
    else if (n ? ms > this.span[0] : ms < this.span[1]) this.move(n, ms);
    else this.set(n ? ms - BEFORE_MS : ms, n ? ms : ms + AFTER_MS);
  }

  /** @param {number} ms */
  around(ms) {
    this.set(ms - BEFORE_MS, ms + AFTER_MS);
  }

  /** @param {number} from @param {number} to */
  set(from, to) {
    const [least, most] = this.limits();
    const last = Math.floor(most / 1000) * 1000; // a whole second, and never one that is yet to come
    const a = Math.round(Math.max(least, Math.min(from, last - LEAST_MS)) / 1000) * 1000;
    this.span = [a, Math.max(a + LEAST_MS, Math.min(Math.round(to / 1000) * 1000, last))];
    this.#show();
  }

  clear() {
    this.span = null;
    this.#show();
  }

  #show() {
    const [least, most] = this.limits();
    for (const n of [0, 1]) {
      const ms = this.span ? this.span[n] : null;
      this.inputs[n].value = ms === null ? '' : clockSeconds(ms);
      this.inputs[n].removeAttribute('aria-invalid');
      if (ms === null) continue;
      this.handles[n].setAttribute('aria-valuemin', '0');
      this.handles[n].setAttribute('aria-valuemax', String(Math.round((most - least) / 1000)));
      this.handles[n].setAttribute('aria-valuenow', String(Math.round((ms - least) / 1000)));
      this.handles[n].setAttribute('aria-valuetext', spoken(ms));
    }
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** @returns {string} how long it is, in words */
  get length() {
    return this.span ? exactly(this.span[1] - this.span[0]) : t('review.span.none');
  }
}

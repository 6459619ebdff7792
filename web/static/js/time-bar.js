// One bar of time: shows a stretch, takes pointer and touch. Invariants: a drag reports where it is and, once, where it
// ended; a vertical swipe scrolls the page; the bar knows nothing of playing. Events: hover, scrub, pick.

import { make } from './dom.js';
import { now } from './i18n.js';
import { paint } from './timeline-paint.js';

export class TimeBar extends EventTarget {
  /** @type {[number, number]} */ view = [0, 1];
  #dragging = false;

  /** @param {HTMLElement} root @param {HTMLElement} hours where the hours are written @param {number} column */
  constructor(root, hours, column) {
    super();
    [this.root, this.hours, this.column] = [root, hours, column];
    this.canvas = /** @type {HTMLCanvasElement} */ (root.querySelector('canvas'));
    this.head = /** @type {HTMLElement} */ (root.querySelector('.ph'));
    this.chosen = /** @type {HTMLElement} */ (root.querySelector('.sel'));
    root.addEventListener('pointerdown', (event) => this.#down(event));
    root.addEventListener('pointermove', (event) => this.#tell(this.#dragging ? 'scrub' : 'hover', event));
    root.addEventListener('pointerup', (event) => this.#up(event));
    root.addEventListener('pointercancel', () => this.#end());
    root.addEventListener('pointerleave', () => !this.#dragging && this.dispatchEvent(new CustomEvent('hover', { detail: null })));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button) return;
    this.root.setPointerCapture(event.pointerId);
    this.#dragging = true;
    this.#tell('scrub', event);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (!this.#dragging) return;
    this.#end();
    this.#tell('pick', event);
  }

  #end() {
    this.#dragging = false;
    this.dispatchEvent(new CustomEvent('hover', { detail: null }));
  }

  /** @param {string} name @param {PointerEvent} event */
  #tell(name, event) {
    this.dispatchEvent(new CustomEvent(name, { detail: { ms: this.at(event.clientX), x: event.clientX, bar: this } }));
  }

  /** @param {number} clientX @returns {number} UTC ms */
  at(clientX) {
    const box = this.root.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (clientX - box.left) / box.width));
    return this.view[0] + share * (this.view[1] - this.view[0]);
  }

  /** @param {number} ms @returns {number} percent, may lie outside 0-100 */
  place(ms) {
    return ((ms - this.view[0]) / (this.view[1] - this.view[0])) * 100;
  }

  /** @param {import('./day-facts.js').DayFacts} facts */
  paint(facts) {
    paint(this.canvas, this.view, facts, now(), this.column);
  }

  /** @param {number} ms */
  point(ms) {
    const at = this.place(ms);
    this.head.hidden = at < 0 || at > 100;
    this.head.style.left = `${at}%`;
  }

  /** @param {[number, number]|null} span */
  choose(span) {
    const [a, b] = span ? span.map((ms) => Math.max(-2, Math.min(102, this.place(ms)))) : [0, 0];
    this.chosen.hidden = !span || b <= -2 || a >= 102;
    this.chosen.style.left = `${a}%`;
    this.chosen.style.width = `${b - a}%`;
  }

  /** Writes the hours below. @param {number[]} marks UTC ms @param {(ms: number) => string} name */
  label(marks, name) {
    this.hours.replaceChildren(...marks.map((ms) => {
      const mark = make('span', '', [name(ms)]);
      const at = this.place(ms);
      mark.style.left = `${at}%`;
      if (at < 2) mark.className = 'first';
      if (at > 98) mark.className = 'last';
      return mark;
    }));
  }
}

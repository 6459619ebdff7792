// A row of small pictures over the day. Invariants: one request at a time, after the player has what it needs; a cell
// without footage asks for nothing; another day aborts the rest; a picture is gone with its cell.

import { make } from './dom.js';

const PAUSE_MS = 40;

export class FilmStrip {
  #abort = new AbortController();
  #day = 0;
  #busy = false;

  /** @param {HTMLElement} root @param {import('./playback-api.js').PlaybackApi} api */
  constructor(root, api) {
    [this.root, this.api] = [root, api];
  }

  /** @param {import('./day-facts.js').DayFacts} facts @returns {Promise<void>} fills what is empty and can be filled */
  async fill(facts) {
    if (this.#day !== facts.start) this.clear(facts.start);
    if (this.#busy || /** @type {any} */ (navigator).connection?.saveData) return;
    const { signal } = this.#abort;
    this.#busy = true;
    const cells = /** @type {HTMLElement[]} */ ([...this.root.children]);
    const step = (facts.end - facts.start) / cells.length;
    try {
      for (const [n, cell] of cells.entries()) {
        const [from, to] = [facts.start + n * step, facts.start + (n + 1) * step];
        const at = facts.next(from + step / 2 < facts.last ? from + step / 2 : from);
        if (cell.hasChildNodes() || at >= Math.min(to, facts.last)) continue;
        const { blob } = await this.api.thumb(at, 160, signal);
        if (signal.aborted) return;
        await this.#put(cell, blob);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    } catch {
      // The strip is an aid: it stays as far as it came, and is tried again with the day's next facts.
    } finally {
      if (!signal.aborted) this.#busy = false;
    }
  }

  /** @param {HTMLElement} cell @param {Blob} blob */
  async #put(cell, blob) {
    const image = /** @type {HTMLImageElement} */ (make('img'));
    image.alt = '';
    image.src = URL.createObjectURL(blob);
    try {
      await image.decode();
      cell.replaceChildren(image);
    } finally {
      URL.revokeObjectURL(image.src);
    }
  }

  /** @param {number} day */
  clear(day = 0) {
    this.#abort.abort();
    this.#abort = new AbortController();
    [this.#day, this.#busy] = [day, false];
    const cells = this.root.clientWidth < 500 ? 12 : 24;
    this.root.replaceChildren(...Array.from({ length: cells }, () => make('i')));
  }
}

// Pictures for a place that a finger or pointer rests on. Invariants: at most one request is under way, the newest wish
// wins and aborts the one before; wishes are throttled; the same place is not asked for twice in a row; one picture is
// kept, for as long as it is shown.

const EVERY_MS = 120;

export class ThumbLoader {
  #abort = new AbortController();
  #timer = 0;
  #wish = -1;
  #shown = -1;
  #last = 0;
  #url = '';

  /**
   * @param {import('./playback-api.js').PlaybackApi} api @param {number} width
   * @param {(url: string, captured: number) => void} show
   */
  constructor(api, width, show) {
    [this.api, this.width, this.show] = [api, width, show];
  }

  /** @param {number} ms @param {number} step places nearer to each other are one (ms) */
  want(ms, step) {
    const place = Math.floor(ms / step) * step;
    if (place === this.#wish) return;
    this.#wish = place;
    this.#abort.abort();
    clearTimeout(this.#timer);
    if (place === this.#shown) return;
    const wait = Math.max(0, this.#last + EVERY_MS - performance.now());
    this.#timer = setTimeout(() => this.#fetch(place), wait);
  }

  /** @param {number} place */
  async #fetch(place) {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#last = performance.now();
    try {
      const { blob, captured } = await this.api.thumb(place, this.width, signal);
      if (signal.aborted) return;
      this.#forget();
      this.#url = URL.createObjectURL(blob);
      this.#shown = place;
      this.show(this.#url, captured);
    } catch {
      // No picture of this place: the time under it is shown all the same, and the player says what is wrong.
      if (!signal.aborted) this.#wish = -1;
    }
  }

  #forget() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = '';
  }

  /** The pointer is gone. */
  drop() {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#forget();
    [this.#wish, this.#shown] = [-1, -1];
  }
}

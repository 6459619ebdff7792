// Which stream of a camera is played: pure.

/** A picture this wide on the screen shows more than the small stream holds (device pixels). */
export const LARGE_PX = 900;
/** Faster than this, many groups a second are fetched and few of their pictures are seen. */
const FAST = 2;

/**
 * @param {{paused: boolean, zoom: number, width: number, rate: number, thin: boolean, lacking: Set<string>}} now
 * width in device pixels; lacking: streams this browser cannot play or the camera has no footage of
 * @returns {string} main or sub
 */
export function chooseStream({ paused, zoom, width, rate, thin, lacking }) {
  if (lacking.has('main')) return 'sub';
  if (lacking.has('sub')) return 'main';
  if (paused || zoom > 1) return 'main';
  return thin || rate > FAST || width < LARGE_PX ? 'sub' : 'main';
}

/** Notices a thin line: groups that take nearly as long to come as they last. */
export class LineGauge {
  #slow = 0;
  #until = 0;

  /** @param {number} tookMs @param {number} lastsMs the group's length divided by the speed @param {number} nowMs */
  heard(tookMs, lastsMs, nowMs) {
    this.#slow = tookMs > 0.8 * lastsMs ? this.#slow + 1 : 0;
    if (this.#slow >= 2) this.#until = nowMs + 60000;
  }

  /** @param {number} nowMs @returns {boolean} */
  thin(nowMs) {
    const line = /** @type {any} */ (navigator).connection;
    return Boolean(line?.saveData) || nowMs < this.#until;
  }
}

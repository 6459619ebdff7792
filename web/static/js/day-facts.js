// What is known of one day of one camera: stretches with footage, gaps with causes, motion, holds, the newest
// instant. Pure questions over what the box answered. Invariant: never says that there is footage where it was not told so.

/** Two stretches this near are one (ms). */
const SEAM_MS = 1000;

/** @typedef {{start_ms: number, end_ms: number, cause: string}} Gap */

export class DayFacts {
  /** @param {number} start @param {number} end UTC ms @param {any} answer of `timeline`, null = nothing known yet */
  constructor(start, end, answer) {
    [this.start, this.end, this.known] = [start, end, Boolean(answer)];
    /** @type {[number, number][]} */ this.spans = answer?.spans ?? [];
    /** @type {number|null} */ this.newest = answer?.newest_ms ?? null;
    /** @type {Gap[]} */ this.gaps = (answer?.gaps ?? []).map((/** @type {any} */ gap) => ({
      start_ms: Math.max(start, gap.start_ms), end_ms: Math.min(end, gap.end_ms ?? this.newest ?? end), cause: gap.cause,
    })).filter((/** @type {Gap} */ gap) => gap.end_ms > gap.start_ms);
    /** Where the time itself is worth less. @type {{start_ms: number, end_ms: number, time_quality: string}[]} */
    this.unsure = answer?.unsure ?? [];
    /** @type {{start_ms: number, step_ms: number, levels: (number|null)[]}} */
    this.motion = answer?.motion ?? { start_ms: start, step_ms: 10000, levels: [] };
    /** @type {[number, number][]} */ this.holds = answer?.holds ?? [];
  }

  /** Takes in what happened since: the answer for a few minutes up to now. @param {any} answer */
  extend(answer) {
    for (const [from, to] of answer.spans) {
      const last = this.spans[this.spans.length - 1];
      if (last && from <= last[1] + SEAM_MS) last[1] = Math.max(last[1], Math.min(to, this.end));
      else if (from < this.end) this.spans.push([from, Math.min(to, this.end)]);
    }
    for (const gap of new DayFacts(this.start, this.end, answer).gaps) {
      const known = this.gaps.find((old) => gap.start_ms <= old.end_ms && old.start_ms <= gap.end_ms);
      if (known) known.end_ms = Math.max(known.end_ms, gap.end_ms);
      else this.gaps.push(gap);
    }
    const { start_ms: start, step_ms: step, levels } = answer.motion ?? { start_ms: 0, step_ms: 1, levels: [] };
    const first = Math.round((start - this.motion.start_ms) / step);
    for (const [n, level] of levels.entries()) if (step === this.motion.step_ms && first + n >= 0) this.motion.levels[first + n] = level;
    this.newest = Math.max(this.newest ?? 0, answer.newest_ms ?? 0);
  }

  /** @returns {number} the last instant of the day that can be looked at, or its start */
  get last() {
    return this.spans.length ? Math.min(this.end, this.spans[this.spans.length - 1][1]) : this.start;
  }

  /** @param {number} ms */
  recordedAt(ms) {
    return this.spans.some(([from, to]) => from <= ms && ms < to);
  }

  /** @param {number} ms @returns {number} the first instant with footage at or after it, Infinity if the day has none */
  next(ms) {
    if (!this.known || ms >= this.end || ms >= (this.newest ?? 0)) return ms;
    const span = this.spans.find(([, to]) => to > ms);
    return span ? Math.max(ms, span[0]) : Infinity;
  }

  /** @param {number} ms @returns {Gap|null} */
  gapAt(ms) {
    return this.gaps.find((gap) => gap.start_ms <= ms && ms < gap.end_ms) ?? null;
  }

  /** @param {number} from @param {number} to @returns {Gap|null} what the ledger tells of what is missing between */
  gapBetween(from, to) {
    const overlap = (/** @type {Gap} */ gap) => Math.min(to, gap.end_ms) - Math.max(from, gap.start_ms);
    const most = [...this.gaps].sort((a, b) => overlap(b) - overlap(a))[0];
    return most && overlap(most) > 0 ? most : null;
  }

  /** @returns {number} the first instant of the day that is recorded or told missing, or its end: before it nothing was due */
  get first() {
    return Math.min(this.end, ...this.spans.map(([from]) => Math.max(from, this.start)), ...this.gaps.map((gap) => gap.start_ms));
  }

  /** @param {number} from @param {number} to @returns {number} how much of it is recorded (ms) */
  recordedIn(from, to) {
    return this.spans.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0);
  }

  /** @param {number} nowMs @returns {{recorded: number, due: number, missing: number}} lengths in ms */
  sums(nowMs) {
    const missing = this.gaps.reduce((sum, gap) => sum + gap.end_ms - gap.start_ms, 0);
    return { recorded: this.recordedIn(this.start, this.end), due: Math.max(1, Math.min(nowMs, this.end) - this.first), missing };
  }

  /** @param {number} from @param {number} to @returns {number|null} the most motion between, 0-1 */
  motionIn(from, to) {
    const { start_ms: start, step_ms: step, levels } = this.motion;
    const [a, b] = [Math.max(0, Math.floor((from - start) / step)), Math.min(levels.length, Math.max(Math.floor((from - start) / step) + 1, Math.ceil((to - start) / step)))];
    let most = null;
    for (let n = a; n < b; n += 1) if (levels[n] != null) most = Math.max(most ?? 0, /** @type {number} */ (levels[n]) / 255);
    return most;
  }
}

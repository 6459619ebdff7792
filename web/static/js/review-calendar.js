// The month: which days have footage, and how much of each. Invariants: asks for one month at a time; a day that has
// nothing can be looked at (it says so), a day that is yet to come cannot. Event: day.

import { make } from './dom.js';
import { now, t } from './i18n.js';
import { dayStart, midnight, partsOf, shortDate, weekday } from './zone-day.js';

/** Below this share a day is shown as incomplete. */
const WHOLE = 0.99;

export class ReviewCalendar extends EventTarget {
  #abort = new AbortController();
  #month = { year: 0, month: 0 };
  #chosen = 0;

  /** @param {HTMLElement} panel @param {HTMLButtonElement} opener @param {import('./playback-api.js').PlaybackApi} api */
  constructor(panel, opener, api) {
    super();
    [this.panel, this.opener, this.api] = [panel, opener, api];
    this.title = /** @type {HTMLElement} */ (panel.querySelector('#month'));
    this.body = /** @type {HTMLElement} */ (panel.querySelector('tbody'));
    opener.addEventListener('click', () => this.open(panel.hidden));
    panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      this.open(false);
      opener.focus();
    });
    for (const button of panel.querySelectorAll('[data-month]')) {
      button.addEventListener('click', () => this.#turn(Number(/** @type {HTMLElement} */ (button).dataset.month)));
    }
  }

  /** @param {boolean} open */
  open(open) {
    this.panel.hidden = !open;
    this.opener.setAttribute('aria-expanded', String(open));
    if (!open) return;
    const { year, month } = partsOf(this.#chosen);
    this.#month = { year, month };
    this.#load();
  }

  /** @param {number} day UTC ms of its midnight */
  choose(day) {
    this.#chosen = day;
  }

  /** @param {number} by months */
  #turn(by) {
    const first = partsOf(midnight(this.#month.year, this.#month.month + by, 1) + 43200000);
    this.#month = { year: first.year, month: first.month };
    this.#load();
  }

  async #load() {
    const { year, month } = this.#month;
    this.title.textContent = t('review.month', { month, year });
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#draw(null);
    try {
      const answer = await this.api.days(midnight(year, month, 1), midnight(year, month + 1, 1), signal);
      if (!signal.aborted) this.#draw(answer);
    } catch {
      // The month stays without figures; days can be chosen all the same, and the player says what is wrong.
    }
  }

  /** @param {any} answer */
  #draw(answer) {
    const { year, month } = this.#month;
    const recorded = new Map((answer?.days ?? []).map((/** @type {any} */ day) => [dayOfAnswer(day), day.recorded_ms]));
    const first = midnight(year, month, 1);
    const cells = Array.from({ length: weekday(first) }, () => make('td'));
    for (let n = 1; midnight(year, month, n) < midnight(year, month + 1, 1); n += 1) {
      cells.push(this.#cell(n, midnight(year, month, n), midnight(year, month, n + 1), answer && recorded));
    }
    const rows = [];
    for (let at = 0; at < cells.length; at += 7) rows.push(make('tr', '', cells.slice(at, at + 7)));
    this.body.replaceChildren(...rows);
  }

  /** @param {number} n @param {number} day @param {number} end @param {Map<number, number>|null} recorded */
  #cell(n, day, end, recorded) {
    const button = /** @type {HTMLButtonElement} */ (make('button', 'day num', [String(n)]));
    button.type = 'button';
    button.disabled = day > now();
    if (day === dayStart(this.#chosen)) button.setAttribute('aria-current', 'date');
    const length = recorded?.get(day) ?? 0;
    const share = Math.min(1, length / Math.max(1, Math.min(end, now()) - day));
    const percent = share < WHOLE ? Math.floor(share * 100) : 100;
    if (recorded && !button.disabled) {
      button.classList.add(length ? (share < WHOLE ? 'part' : 'whole') : 'none');
      button.append(make('span', 'pc', [length ? t('review.percent', { n: percent }) : t('review.no_footage_short')]));
      button.setAttribute('aria-label', t(length ? 'review.day_share' : 'review.day_none', { date: shortDate(day), n: percent }));
    }
    button.addEventListener('click', () => {
      this.open(false);
      this.opener.focus();
      this.dispatchEvent(new CustomEvent('day', { detail: { day } }));
    });
    return make('td', '', [button]);
  }
}

/** @param {{day?: string, start_ms?: number}} day @returns {number} UTC ms of its midnight */
function dayOfAnswer({ day, start_ms: start }) {
  if (start !== undefined) return dayStart(start);
  const [year, month, date] = (day ?? '').split('-').map(Number);
  return midnight(year, month, date);
}

// All cameras and one day: a bar for each, without a picture. Invariants: few requests at a time; a camera whose day
// cannot be read says so on its own row.

import './clock.js';
import { ApiError } from './api.js';
import { DayFacts } from './day-facts.js';
import { now, pageData, t } from './i18n.js';
import { PlaybackApi } from './playback-api.js';
import { paint } from './timeline-paint.js';
import { atClock, dayName, dayOf, dayStart, partsOf } from './zone-day.js';

const MORNING_S = 8 * 3600;
const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-camera]')]);
const title = /** @type {HTMLElement} */ (document.getElementById('day-words'));
const next = /** @type {HTMLButtonElement} */ (document.getElementById('day-next'));
/** @type {Map<HTMLElement, DayFacts>} */ const known = new Map();
let day = dayStart(pageData('review-data').at ?? now());
let turn = 0;

/** @param {HTMLElement} row */
function draw(row) {
  const facts = known.get(row);
  if (facts) paint(/** @type {HTMLCanvasElement} */ (row.querySelector('canvas')), [facts.start, facts.end], facts, now(), 4);
}

/** @param {HTMLElement} row @param {number} mine */
async function read(row, mine) {
  const api = new PlaybackApi(row.dataset.camera || '');
  const [start, end] = dayOf(day);
  const says = /** @type {HTMLElement} */ (row.querySelector('.says'));
  try {
    const facts = new DayFacts(start, end, await api.timeline(start, end, 'main'));
    if (mine !== turn) return;
    known.set(row, facts);
    const { recorded, due } = facts.sums(now());
    const percent = recorded / due < 0.99 ? Math.floor((100 * recorded) / due) : 100;
    const none = pageData('review-data').disks_away ? 'review.state.disk' : 'review.state.empty';
    says.textContent = recorded ? t(facts.gaps.length ? 'review.row' : 'review.row_whole', { n: percent, gaps: facts.gaps.length }) : t(none);
  } catch (error) {
    if (mine !== turn) return;
    known.set(row, new DayFacts(start, end, null));
    says.textContent = error instanceof ApiError ? error.why || error.title || t('err.unknown', { code: error.code }) : t('net.offline');
  }
  draw(row);
}

async function show() {
  turn += 1;
  const mine = turn;
  const today = dayStart(now()) === day;
  title.textContent = dayName(day);
  next.disabled = today;
  const p = partsOf(now());
  const at = today ? now() - 120000 : atClock(day, Math.max(MORNING_S, p.hour * 3600 + p.minute * 60));
  for (const row of rows) {
    /** @type {HTMLElement} */ (row.querySelector('a')).setAttribute('href', `/xem-lai/${row.dataset.camera}?luc=${Math.round(at)}`);
  }
  for (let n = 0; n < rows.length && mine === turn; n += 3) await Promise.all(rows.slice(n, n + 3).map((row) => read(row, mine)));
}

document.getElementById('day-before')?.addEventListener('click', () => [day = dayStart(day, -1), show()]);
next.addEventListener('click', () => [day = dayStart(day, 1), show()]);
addEventListener('resize', () => rows.forEach(draw));
show();

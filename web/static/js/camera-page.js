// One camera: the large picture and the facts of its recording, read again every few seconds.

import { getJson } from './api.js';
import { icon, make } from './dom.js';
import { clock, clockSeconds, duration, now, pageData, setNow, t } from './i18n.js';
import './clock.js';
import './live-view.js';

const EVERY_MS = 4000;
const REVIEW_MS = 120000;
const LOST = ['down', 'login_refused', 'frozen', 'silent', 'swapped'];
let trouble = 'ok';
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const stage = /** @type {import('./live-view.js').LiveView} */ (document.querySelector('.stage live-view'));
const id = stage.getAttribute('camera');

/** @param {number|null} bps */
const rate = (bps) => (bps ? t('cam.rate', { n: number.format(bps / 1e6) }) : t('cam.none'));

/** @param {any} facts */
function rows(facts) {
  const main = facts.streams.find((/** @type {any} */ stream) => stream.stream === 'main') || facts.streams[0] || {};
  const size = main.width ? `${main.width}×${main.height}` : t('cam.none');
  const gaps = facts.gaps_today
    ? t('cam.gaps', { n: facts.gaps_today, dur: duration(facts.gap_seconds_today * 1000) })
    : t('cam.no_gaps');
  return [
    ['cam.fact.rec', t(facts.recording ? 'cam.recording' : 'cam.not_recording')],
    ['cam.fact.codec', main.codec ? String(main.codec).toUpperCase() : t('cam.none')],
    ['cam.fact.size', size],
    ['cam.fact.fps', facts.fps ? t('cam.fps', { n: Math.round(facts.fps) }) : t('cam.none')],
    ['cam.fact.rate', rate(facts.bitrate_bps)],
    ['cam.fact.last', facts.last_segment_ms ? clockSeconds(facts.last_segment_ms) : t('cam.none')],
    ['cam.fact.gaps', gaps],
  ];
}

/** @param {any} person @returns {string} since when, and how: from outside, waiting for a turn, over a weak link */
const since = (person) =>
  [t('cam.from', { time: clock(person.since_ms) }), ...person.how.map((/** @type {string} */ key) => t(`cam.how.${key}`))].join(' · ');

/** @param {any} facts */
function show(facts) {
  setNow(facts.now_ms);
  const list = /** @type {HTMLElement} */ (document.getElementById('facts'));
  list.replaceChildren(...rows(facts).flatMap(([key, value]) => [make('dt', '', [t(key)]), make('dd', 'num', [value])]));
  const chip = /** @type {HTMLElement} */ (document.getElementById('recording'));
  const well = facts.recording && facts.trouble !== 'unknown';
  const says = facts.trouble === 'unknown' ? 'cam.note.unknown' : facts.recording ? 'cam.recording' : 'cam.not_recording';
  if (chip.dataset.said !== says) {
    chip.dataset.said = says;
    chip.className = `chip ${well ? 'ok' : 'bad'}`;
    chip.replaceChildren(icon(well ? 'check-circle' : 'alert'), t(says));
  }
  fault(facts);
  const people = /** @type {HTMLElement} */ (document.getElementById('people'));
  people.replaceChildren(
    ...facts.people.map((/** @type {any} */ person) =>
      make('li', '', [icon(person.role === 'guardian' ? 'user' : 'shield'), person.name, make('span', 'num', [since(person)])])),
  );
  /** @type {HTMLElement} */ (document.getElementById('nobody')).hidden = facts.people.length > 0;
  stage.setAttribute('why', `cam.state.${facts.trouble === 'ok' ? 'down' : facts.trouble}`);
  stage.setAttribute('since', String(facts.since_ms || 0));
  stage.toggleAttribute('down', LOST.includes(facts.trouble));
  stage.toggleAttribute('norec', facts.trouble === 'norec');
  if (trouble !== facts.trouble && facts.trouble === 'ok') stage.retry();
  trouble = facts.trouble;
}

/** What is wrong, since when, and what to do about it. @param {any} facts */
function fault(facts) {
  const card = /** @type {HTMLElement} */ (document.getElementById('fault'));
  const wrong = facts.trouble !== 'ok';
  const since = facts.since_ms;
  const when = since ? t('cam.since', { time: clock(since), dur: duration(now() - since, Math.floor) }) : '';
  const said = wrong ? facts.trouble + when : '';
  if (card.dataset.said === said) return;
  card.dataset.said = said;
  card.hidden = !wrong;
  if (!wrong) return;
  card.replaceChildren(
    make('h2', '', [icon('alert'), t(`cam.note.${facts.trouble}`)]),
    make('p', 'num', [when || t('cam.since_unknown')]),
    make('p', '', [make('b', '', [t('fix.title')]), ' ', t(`fix.${facts.trouble}`)]),
    make('p', 'small', [t('fix.code', { code: `cam-${facts.trouble}` })]),
  );
}

async function again() {
  try {
    if (!document.hidden) show(await getJson(`/api/cameras/${id}`));
  } catch {
    // The picture itself says when the box cannot be reached; the facts wait for the next turn.
  } finally {
    setTimeout(again, EVERY_MS);
  }
}

for (const name of ['pointerdown', 'focus']) {
  document.getElementById('review')?.addEventListener(name, (event) => {
    const link = /** @type {HTMLAnchorElement} */ (event.currentTarget);
    link.href = `${link.pathname}?luc=${Math.round(now() - REVIEW_MS)}`;
  });
}
document.getElementById('full')?.addEventListener('click', () => stage.requestFullscreen());
document.addEventListener('live-signed-out', () => location.assign('/vao'), { once: true });
show(pageData('facts-data'));
setTimeout(again, EVERY_MS);

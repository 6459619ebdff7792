// The page of a class for guardians, and for guests ("dự giờ", `kind` observation). Invariants: the page is drawn by the box, anew whenever another screen is due, and
// only after the box has said so (a phone without network never loses its page); every picture carries the
// viewer's name, and is taken away if that name is removed.

import { ApiError, getJson, listen } from './api.js';
import { proofs } from './device-key.js';
import { make } from './dom.js';
import { clock, duration, now, pageData, setNow, t } from './i18n.js';
import './live-view.js';
import { showTurns } from './turns.js';

const MARK_EVERY_MS = 20000;
const METER_EVERY_MS = 5000;
const DOUBT_EVERY_MS = 1000;
const LONGEST_MS = 2 ** 31 - 1;
const query = location.search;
const first = pageData('view');
const kind = first.kind || 'class';
let timer = 0;
let [before, video, doubted] = [0, 0, -DOUBT_EVERY_MS];

/** @param {any} view */
const same = (view) => view.screen === first.screen && view.camera === first.camera && view.said === first.said;

/** @param {any} view */
function consider(view) {
  if (!view) return redraw(); // a guest's visit is over
  setNow(view.now_ms);
  if (!same(view) || view.next_ms !== first.next_ms) {
    redraw(same(view));
    return;
  }
  const due = [view.until_ms, view.next_ms].filter((at) => at > view.now_ms);
  clearTimeout(timer);
  if (due.length) timer = setTimeout(ask, Math.min(LONGEST_MS, Math.min(...due) - now() + 300 + Math.random() * 700));
}

/** Loads the page anew; the picture goes first unless it stays: a slow answer must not leave it standing. */
function redraw(stays = false, to = '') {
  clearTimeout(timer);
  if (!stays) document.querySelector('live-view')?.remove();
  if (to) location.replace(to);
  else location.reload();
}

/** The login is over: a guest's visit has a page that says so. */
const leave = () => redraw(false, first.after);

async function ask() {
  const { begun, over } = proofs();
  await over;
  try {
    consider(await getJson(`/api/${kind}${query}`));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) timer = setTimeout(ask, 5000 + Math.random() * 5000);
    else if (proofs().begun === begun) leave();
    else ask(); // asked with the token of before
  }
}

/**
 * A picture was asked for with a token that is none any more. It may have been renewed just then: the new one is asked
 * before the page is left, at most once a second.
 */
function doubt() {
  if (performance.now() - doubted < DOUBT_EVERY_MS) return;
  doubted = performance.now();
  ask();
}

function left() {
  const element = document.getElementById('left');
  if (!element) return;
  const until = Number(element.dataset.until);
  if (until) element.textContent = t('hours.left', { dur: duration(until - now()) });
}

/** Says what this visit has cost: what the video counts, and the stills. @param {any} view */
async function used(view) {
  const { bytesReceived = 0, stillBytes = 0 } = await view.stats();
  if (bytesReceived < video) before += video; // another session
  video = bytesReceived;
  const element = /** @type {HTMLElement} */ (document.getElementById('used'));
  element.textContent = t('data.used', { n: Math.ceil((before + video + stillBytes) / 1e6) });
  element.hidden = false;
}

/** Puts the viewer's name over the picture and moves it. @param {HTMLElement} view */
function mark(view) {
  const label = make('span', 'wm');
  label.setAttribute('aria-hidden', 'true');
  const draw = () => {
    label.textContent = `${view.dataset.mark} · ${clock(now())}`;
    // Whole at every place and size: a name that is cut off names nobody.
    const room = view.getBoundingClientRect();
    label.style.left = `${Math.max(4, Math.random() * (room.width - label.offsetWidth - 8))}px`;
    label.style.top = `${(0.2 + Math.random() * 0.5) * room.height}px`;
  };
  view.append(label);
  draw();
  setInterval(draw, MARK_EVERY_MS);
  new MutationObserver(() => {
    if (label.parentNode !== view) view.remove();
  }).observe(view, { childList: true });
}

function saver(/** @type {any} */ view) {
  const button = document.getElementById('saver');
  if (!button) return;
  const set = (/** @type {boolean} */ on) => {
    button.setAttribute('aria-checked', String(on));
    view.stillOnly = on;
    localStorage.setItem('saver', on ? '1' : '');
  };
  button.addEventListener('click', () => set(button.getAttribute('aria-checked') !== 'true'));
  const connection = /** @type {any} */ (navigator).connection;
  const thrifty = connection?.saveData || /2g|3g/.test(connection?.effectiveType || '');
  const wish = localStorage.getItem('saver');
  if (wish ? wish === '1' : wish === null && thrifty) set(true);
}

/** Counts the visits that showed a moving picture; from the second on the icon is offered. */
let [good, prompt] = [false, /** @type {any} */ (null)];
async function wellSeen() {
  if (good || kind !== 'class') return;
  good = true;
  const views = Number(localStorage.getItem('views') || 0) + 1;
  localStorage.setItem('views', String(views));
  if (views > 1) (await import('./install.js')).offerInstall(prompt);
}
addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault();
  prompt = event;
});

const view = /** @type {HTMLElement|null} */ (document.querySelector('live-view'));
if (view) {
  mark(view);
  saver(view);
  showTurns(view, /** @type {HTMLElement} */ (document.getElementById('turn')));
  setInterval(() => used(view), METER_EVERY_MS);
  view.addEventListener('live-ended', ask);
  view.addEventListener('live-state', (event) => {
    const weak = /** @type {HTMLElement} */ (document.getElementById('weak'));
    const { state } = /** @type {CustomEvent} */ (event).detail;
    weak.hidden = state !== 'weak';
    if (state === 'live') wellSeen();
  });
  view.querySelector('.fs')?.addEventListener('click', () => view.requestFullscreen());
}
document.addEventListener('live-signed-out', doubt);
left();
setInterval(left, 10000);
// A token that was renewed looks to the stream as if the session were over: ask with the new one first.
listen(`/api/events${query}`, { [kind]: consider, signed_out: ask });

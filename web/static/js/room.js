// The teacher's page while it is open: time left, who looks, and a page drawn anew when something else is so.
// Invariants: every act is a form and works without this; what somebody is typing is never thrown away.

import { listen } from './api.js';
import { icon, make } from './dom.js';
import { duration, now, pageData, setNow, t } from './i18n.js';

const TICK_MS = 5000;
const first = pageData('view');
const query = new URLSearchParams({ trang: 'lop' });

/** @param {any} room what must be so for the page to stay as it is */
const shape = (room) => JSON.stringify([room.sharing, room.hidden, room.used, room.wish, room.unsigned, room.visits]);

function left() {
  const element = document.getElementById('left');
  if (!element) return;
  const rest = Number(element.dataset.until) - now();
  if (rest > 0) element.textContent = t('room.left', { dur: duration(rest) });
}

/** @param {[string, string][]} lookers who, and since when */
function paint(lookers) {
  const rows = lookers.map(([who, since]) =>
    make('li', '', [icon('user'), make('span', '', [who]), make('span', 'mut num', [t('room.since', { time: since })])]));
  /** @type {HTMLElement} */ (document.getElementById('lookers')).replaceChildren(...rows);
  /** @type {HTMLElement} */ (document.getElementById('count')).textContent = String(lookers.length);
  /** @type {HTMLElement} */ (document.getElementById('nobody')).hidden = lookers.length > 0;
}

/** Whether somebody is writing why. */
function busy() {
  const reason = /** @type {HTMLInputElement|null} */ (document.getElementById('reason'));
  return reason !== null && (reason.value !== '' || document.activeElement === reason);
}

/** @param {any} view */
function consider(view) {
  setNow(view.now_ms);
  const room = view.rooms.find((/** @type {any} */ item) => item.id === first.id);
  if (!room || (shape(room) !== shape(first) && !busy())) {
    location.reload();
    return;
  }
  paint(room.lookers);
  left();
}

// A second tap while the first is on its way would be a second pause. The button stays part of what is sent.
for (const form of document.querySelectorAll('form')) {
  let sent = false;
  form.addEventListener('submit', (event) => {
    if (sent) event.preventDefault();
    sent = true;
    setTimeout(() => (sent = false), TICK_MS);
  });
}
setInterval(left, TICK_MS);
listen(`/api/events?${query}`, { rooms: consider, signed_out: () => location.assign('/vao') });

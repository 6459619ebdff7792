// The principal's page of class rooms while it is open: drawn anew when something else is so, or somebody asks.
// Invariant: every act is a form and works without this; nobody who is on a control loses it without need.

import { listen } from './api.js';
import { now, pageData, setNow } from './i18n.js';

const first = JSON.stringify(pageData('state').rooms);
const query = new URLSearchParams({ trang: 'lop' });
const ends = pageData('state').rooms.map((/** @type {any} */ room) => room.hidden?.[1]).filter(Boolean);

/** @param {any} view */
function consider(view) {
  setNow(view.now_ms);
  if (JSON.stringify(view.rooms) !== first) location.reload();
}

listen(`/api/events?${query}`, { rooms: consider, signed_out: () => location.assign('/vao') });
const next = Math.min(...ends.filter((/** @type {number} */ at) => at > now()));
if (Number.isFinite(next)) setTimeout(() => location.reload(), Math.min(2 ** 31 - 1, next - now() + 500));

// The leaders' page of guests while it is open: the teacher's word is shown as she says it, and whatever else is so.
// Invariants: every act is a form and works without this; what somebody is typing is never thrown away: then only the
// signs change in their places, and the rest when the form is empty again.

import { listen } from './api.js';
import { pageData, setNow } from './i18n.js';

/** @typedef {[string, string, string, number, boolean, number]} Row visit, how far it is, the teacher's word, ... */

const PAGE = '/du-gio';
const first = pageData('state');
const query = new URLSearchParams({ trang: 'du-gio' });
let shown = JSON.stringify(first.visits);
let waiting = false;

/** Whether somebody is making a visit, or proving who they are. */
function busy() {
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (
    document.querySelectorAll('.fields input:not([type=date]), .fields #khach')
  );
  return document.querySelector('dialog[open], .fields :focus') !== null || [...fields].some((field) => field.value !== '');
}

/** Changes what is said of a visit where it stands. @param {Row} row */
function say([visit, phase, said]) {
  const place = document.querySelector(`#${CSS.escape(visit)} .said`);
  const sign = /** @type {HTMLTemplateElement|null} */ (document.getElementById(`said-${said}`));
  if (!place || !sign || !['running', 'coming'].includes(phase)) return;
  if (place.getAttribute('data-said') === said) return;
  place.setAttribute('data-said', said);
  place.replaceChildren(sign.content.cloneNode(true));
}

/** @param {{now_ms: number, visits: Row[]}} view */
function consider(view) {
  setNow(view.now_ms);
  const now = JSON.stringify(view.visits);
  if (now === shown) return;
  if (busy()) {
    view.visits.forEach(say);
    shown = now;
    waiting = true;
  } else anew();
}

/** Draws the page again; one that answered a form is asked for anew, not sent again. */
function anew() {
  if (first.answered) location.replace(PAGE);
  else location.reload();
}

const form = document.querySelector('.fields');
form?.addEventListener('focusout', (event) => {
  const to = /** @type {FocusEvent} */ (event).relatedTarget;
  if (waiting && !(to instanceof Node && form.contains(to)) && !busy()) anew();
});
listen(`/api/events?${query}`, { visits: consider, signed_out: () => location.assign('/vao') });

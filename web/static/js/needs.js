// What waits for the school's leaders above the pictures: wishes for one more pause, each with its two answers, and
// overdue cases of consent. Invariants: the page carries the first state as forms that work without this; an answer
// is one tap and leaves the pictures running.

import { icon, make } from './dom.js';
import { t } from './i18n.js';

/** @typedef {{class: string, name: string, wish: number, minutes: number, by: string, time: string, most: number}} Wish */
/** @typedef {{wishes: Wish[], overdue: number, phones: number}} Needs */

let shown = '';

/** Draws what waits, but for the first time: then it is what the page came with. @param {Needs} needs */
export function showNeeds(needs) {
  const said = JSON.stringify(needs);
  const [place, first] = [document.getElementById('needs'), !shown];
  if (!place || said === shown) return;
  shown = said;
  if (!first) place.replaceChildren(...needs.wishes.map(card), ...(needs.overdue ? [overdue(needs.overdue)] : []));
}

/** @param {Wish} wish @returns {HTMLElement} */
function card(wish) {
  const words = make('span', '', [
    make('b', '', [t('rooms.wish', { name: wish.name })]), make('br'),
    t('rooms.wish_by', { who: wish.by, time: wish.time, n: wish.most }),
  ]);
  const form = /** @type {HTMLFormElement} */ (make('form', '', [
    hidden('xin', String(wish.wish)), hidden('ve', 'truc-tiep'),
    button('btn p', '1', 'check-circle', t('rooms.grant', { n: wish.minutes })),
    button('btn', '0', 'x-circle', t('rooms.refuse')),
  ]));
  form.method = 'post';
  form.action = `/lop-hoc/${wish.class}/tra-loi`;
  const section = make('section', 'card waits', [make('p', '', [icon('bell'), words]), form]);
  section.setAttribute('role', 'alert');
  return section;
}

/** @param {number} count @returns {HTMLElement} */
function overdue(count) {
  const link = make('a', 'card waits', [icon('alert'), make('span', '', [make('b', '', [t('need.overdue', { n: count })])])]);
  link.setAttribute('href', '/dong-y');
  return link;
}

/** @param {string} name @param {string} value @returns {HTMLElement} */
function hidden(name, value) {
  const field = /** @type {HTMLInputElement} */ (make('input'));
  [field.type, field.name, field.value] = ['hidden', name, value];
  return field;
}

/** @param {string} className @param {string} value @param {string} sign @param {string} words @returns {HTMLElement} */
function button(className, value, sign, words) {
  const made = /** @type {HTMLButtonElement} */ (make('button', className, [icon(sign), words]));
  [made.name, made.value] = ['cho', value];
  return made;
}

/** Answers without leaving the page; what cannot be sent so is sent as the form it is. @param {SubmitEvent} event */
async function answer(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const body = new URLSearchParams();
  for (const [name, value] of new FormData(form, event.submitter)) body.append(name, String(value));
  event.preventDefault();
  for (const item of form.querySelectorAll('button')) item.disabled = true;
  try {
    const done = await fetch(form.action, { method: 'POST', body, redirect: 'manual', credentials: 'same-origin' });
    if (done.status >= 500 || done.status === 429) throw new Error(String(done.status));
    form.closest('.waits')?.remove(); // also one that somebody else has answered, or that has lapsed
  } catch {
    location.assign('/lop-hoc'); // it says what is so, and asks again
  }
}

document.getElementById('needs')?.addEventListener('submit', (event) => answer(/** @type {SubmitEvent} */ (event)));

// A guardian's page without a session: the cookie may only be late (a link from another app), or its proof too old. The
// browser's own key signs in again by itself; look once. Where a form was lost, the page says so and stays: whoever
// read it goes on by hand.

import { ApiError, getJson } from './api.js';
import { enter, load } from './device-key.js';

const waits = document.querySelector('form[data-kept]');
const lost = /** @type {HTMLAnchorElement|null} */ (document.querySelector('a[data-lost]'));

/** Leads to a page, or shows the way there beside what was lost. @param {string} page */
function lead(page) {
  if (!lost) {
    location.replace(page);
    return;
  }
  lost.href = page;
  lost.hidden = false;
  for (const need of document.querySelectorAll('[data-need]')) need.setAttribute('hidden', '');
}

/** Goes on where the browser was: with the form that it sent without a session, if one waits, else to its page. */
function goOn() {
  if (waits instanceof HTMLFormElement) waits.submit();
  else lead(lost ? '/p/' : `${location.pathname}?lai=1`);
}

async function begin() {
  if (await getJson('/api/me').catch(() => null)) {
    goOn();
    return;
  }
  const kept = await load();
  if (!kept?.id) return;
  try {
    await enter(kept);
    goOn();
  } catch (error) {
    const decided = ['device.waiting', 'device.refused'];
    if (error instanceof ApiError && decided.includes(error.reason)) lead('/p/cho');
  }
}

if (lost || !new URLSearchParams(location.search).has('lai')) begin();

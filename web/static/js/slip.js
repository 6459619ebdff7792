// The invitation slip: the secret is in the fragment, which is never sent by itself. Looking spends nothing; it is spent
// by a browser that made a key of its own, proved it, and can play the video.

import { ApiError, postJson } from './api.js';
import { bind, enter, forget, fresh, load, unable } from './device-key.js';
import { make } from './dom.js';
import { t } from './i18n.js';
import { offerWayOut } from './slip-out.js';

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
const form = /** @type {HTMLFormElement} */ (element('slip'));
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));

/** Refused, or ended: the key opens nothing any more. */
const OVER = ['device.unknown', 'device.refused'];

let secret = location.hash.slice(1);
let looked = false;

/** @param {string} words */
function say(words) {
  element('trouble').textContent = words;
  element('trouble').hidden = !words;
}

/** @param {unknown} error */
function explain(error) {
  if (!(error instanceof ApiError)) say(t('net.offline'));
  else if (error.reason === 'slip.digits' && error.left) say(t('slip.digits.wrong', { n: error.left }));
  else say(error.why || error.title);
}

/** Shows the devices of which one has to end. @param {[string, string][]} devices */
function choose(devices) {
  const group = element('third');
  for (const old of group.querySelectorAll('label')) old.remove();
  for (const [id, label] of devices) {
    const input = /** @type {HTMLInputElement} */ (make('input'));
    Object.assign(input, { type: 'radio', name: 'replaces', value: id, required: true });
    group.append(make('label', 'pick', [input, label || t('slip.device')]));
  }
  group.hidden = false;
}

async function look() {
  const found = await postJson('/api/slip/look', { secret });
  looked = true;
  const [name, more] = element('class').querySelectorAll('b, .mut');
  name.textContent = found.class;
  more.textContent = [found.kind, t('slip.until', { day: found.until })].filter(Boolean).join(' · ');
  element('class').hidden = !found.class;
  element('typed').hidden = true;
  element('asked').hidden = !found.digits;
  if (found.digits) field('digits').focus();
}

async function spend() {
  const kept = await load();
  const key = kept && !kept.id ? kept : await fresh();
  const replaces = /** @type {HTMLInputElement|null} */ (form.querySelector('[name=replaces]:checked'))?.value || '';
  location.replace(await bind(key, '/api/slip', { secret, digits: field('digits').value.trim(), replaces }));
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  say('');
  try {
    if (looked) await spend();
    else {
      secret = field('code').value.trim();
      await look();
      button.disabled = false;
    }
  } catch (error) {
    button.disabled = false;
    if (error instanceof ApiError && error.devices.length) choose(error.devices);
    else explain(error);
    if (error instanceof ApiError && error.reason === 'slip.digits') field('digits').select();
  }
});

/** A browser that is bound already goes on; one whose device waits goes on waiting. @returns {Promise<boolean>} */
async function alreadyIn() {
  const kept = await load();
  if (!kept?.id) return false;
  try {
    location.replace(await enter(kept));
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) return false;
    if (error.reason === 'device.waiting') location.replace('/p/cho');
    else if (OVER.includes(error.reason)) await forget(); // this slip begins anew
    return error.reason === 'device.waiting';
  }
}

async function begin() {
  const why = unable();
  if (why === 'insecure') {
    element('in').hidden = true;
    element('cannot').hidden = false;
    element('why').textContent = t('slip.cannot.insecure');
    return;
  }
  if (why) {
    element('in').hidden = true;
    element('out').hidden = false;
    offerWayOut(secret);
    return;
  }
  // Out of the address bar and the history as soon as it is read.
  history.replaceState(null, '', '/p/moi' + location.search);
  for (const link of document.querySelectorAll('[data-keep]')) {
    /** @type {HTMLAnchorElement} */ (link).href += `#${secret}`;
  }
  if (await alreadyIn()) return;
  if (secret) {
    try {
      await look();
    } catch (error) {
      explain(error);
      return;
    }
  } else element('typed').hidden = false;
  button.disabled = false;
}

begin();

// The invitation slip: the secret is in the fragment, which is never sent by itself; one tap spends it.

import { ApiError, postJson } from './api.js';
import { t } from './i18n.js';

const secret = location.hash.slice(1);
const form = /** @type {HTMLFormElement} */ (document.getElementById('slip'));
const digits = /** @type {HTMLInputElement} */ (document.getElementById('digits'));
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));
const trouble = /** @type {HTMLElement} */ (document.getElementById('trouble'));

// Out of the address bar and the history as soon as it is read.
history.replaceState(null, '', location.pathname + location.search);

/** @param {string} text */
function say(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

const language = /** @type {HTMLAnchorElement} */ (document.getElementById('lang'));
language.href += `#${secret}`;

if (!secret) {
  button.disabled = true;
  say(t('slip.no_secret'));
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  say('');
  try {
    const { next } = await postJson('/api/slip', { secret, digits: digits.value.trim() });
    location.replace(next);
  } catch (error) {
    button.disabled = false;
    if (error instanceof ApiError && error.reason === 'slip.digits') {
      const asked = !(/** @type {HTMLElement} */ (digits.parentElement).hidden);
      /** @type {HTMLElement} */ (digits.parentElement).hidden = false;
      digits.focus();
      if (asked) say(error.why);
    } else if (error instanceof ApiError) say(error.why || error.title);
    else say(t('net.offline'));
  }
});

// Waiting for the school's yes: the box says when, the browser proves its key and goes on by itself.

import { ApiError, listen } from './api.js';
import { enter, forget, load } from './device-key.js';
import { t } from './i18n.js';

/** @param {string} name */
function show(name) {
  for (const id of ['waiting', 'refused', 'gone']) {
    /** @type {HTMLElement} */ (document.getElementById(id)).hidden = id !== name;
  }
}

/** @param {string} words */
function say(words) {
  const trouble = /** @type {HTMLElement} */ (document.getElementById('trouble'));
  trouble.textContent = words;
  trouble.hidden = !words;
}

async function begin() {
  const kept = await load();
  if (!kept?.id) {
    show('gone');
    return;
  }
  const goIn = async () => {
    try {
      location.replace(await enter(kept));
      return true;
    } catch (error) {
      const reason = error instanceof ApiError ? error.reason : '';
      if (reason === 'device.unknown') {
        show('gone');
        await forget();
        return true;
      }
      if (!['device.waiting', 'device.refused'].includes(reason)) {
        say(error instanceof ApiError ? error.why || error.title : t('net.offline'));
      }
      return false;
    }
  };
  if (await goIn()) return;
  listen(`/api/device/${kept.id}/standing`, {
    standing: async ({ state, why }) => {
      if (state === 'approved') await goIn();
      else if (state !== 'waiting') {
        /** @type {HTMLElement} */ (document.getElementById('why')).textContent = why;
        show(state);
        await forget();
      }
    },
  });
}

begin();

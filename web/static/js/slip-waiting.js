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
  let entering = false;
  const goIn = async () => {
    if (entering) return;
    entering = true;
    try {
      location.replace(await enter(kept));
    } catch (error) {
      entering = false;
      say(error instanceof ApiError ? error.why || error.title : t('net.offline'));
    }
  };
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

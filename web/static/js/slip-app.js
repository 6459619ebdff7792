// The app on the home screen: by its own key; the first time by the token in its address, which is good once.

import { ApiError } from './api.js';
import { bind, enter, fresh, load } from './device-key.js';
import { t } from './i18n.js';

const token = new URLSearchParams(location.search).get('ma') || '';

async function begin() {
  const kept = await load();
  history.replaceState(null, '', location.pathname);
  if (kept?.id) location.replace(await enter(kept));
  else location.replace(await bind(kept || (await fresh()), '/api/device/app', { token }));
}

begin().catch((error) => {
  if (error instanceof ApiError && error.reason === 'device.waiting') location.replace('/p/cho');
  /** @type {HTMLElement} */ (document.getElementById('busy')).hidden = true;
  /** @type {HTMLElement} */ (document.getElementById('failed')).hidden = false;
  const why = error instanceof ApiError ? error.why || error.title : t('net.offline');
  /** @type {HTMLElement} */ (document.getElementById('why')).textContent = why;
});

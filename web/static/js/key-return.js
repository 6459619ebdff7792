// A guardian's page without a session: the cookie may only be late (a link from another app), or its proof too old. The
// browser's own key signs in again by itself; look once.

import { ApiError, getJson } from './api.js';
import { enter, load } from './device-key.js';

const again = `${location.pathname}?lai=1`;

async function begin() {
  if (await getJson('/api/me').catch(() => null)) {
    location.replace(again);
    return;
  }
  const kept = await load();
  if (!kept?.id) return;
  try {
    await enter(kept);
    location.replace(again);
  } catch (error) {
    const decided = ['device.waiting', 'device.refused'];
    if (error instanceof ApiError && decided.includes(error.reason)) location.replace('/p/cho');
  }
}

if (!new URLSearchParams(location.search).has('lai')) begin();

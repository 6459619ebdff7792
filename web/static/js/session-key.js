// A signed-in guardian's page proves the browser's key every few minutes: each time the cookie's token is a new one, so
// a copy of it is worth nothing any more. A session without a key goes on as it is.

import { ApiError } from './api.js';
import { enter, load } from './device-key.js';

const EVERY_MS = 600000;
const LOOK_MS = 30000;

async function prove() {
  if (document.hidden || Date.now() - Number(localStorage.getItem('proven') || 0) < EVERY_MS) return;
  const kept = await load();
  if (!kept?.id) return;
  try {
    await enter(kept);
  } catch (error) {
    // The box said no: this device has ended. Without a network the next look tries again.
    if (error instanceof ApiError && error.reason === 'device.unknown') location.reload();
  }
}

setInterval(prove, LOOK_MS);
document.addEventListener('visibilitychange', prove);
prove();

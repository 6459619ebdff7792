// One still of a camera, ready to be seen. Invariant: a still is handed over decoded, so that whoever says
// "there is a picture" says so when it can be painted, and a broken one is a failure, never an empty frame.

import { call } from './api.js';
import { make } from './dom.js';

/**
 * @typedef {object} Still
 * @property {HTMLImageElement} image decoded
 * @property {number} bytes
 * @property {number} captured UTC ms
 * @property {number} at the same on the page's clock
 * @property {() => void} forget lets go of a picture that is not shown
 */

/** Lets go of the bytes behind a picture. @param {HTMLImageElement} image */
export function letGo(image) {
  if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
}

/**
 * @param {string|null} camera
 * @param {string} width 320 or 640
 * @param {AbortSignal} signal
 * @returns {Promise<Still>} throws ApiError, TypeError (no network) or DOMException (aborted, no picture)
 */
export async function fetchStill(camera, width, signal) {
  const response = await call(`/api/cameras/${camera}/still.jpg?w=${width}`, { signal });
  const [captured, age] = [response.headers.get('X-Captured-At'), response.headers.get('X-Age')];
  const at = performance.now() - Number(age);
  const blob = await response.blob();
  const image = /** @type {HTMLImageElement} */ (make('img'));
  image.alt = '';
  image.src = URL.createObjectURL(blob);
  const forget = () => URL.revokeObjectURL(image.src);
  try {
    await image.decode();
  } catch (error) {
    forget();
    throw error;
  }
  return { image, bytes: blob.size, captured: Number(captured), at, forget };
}

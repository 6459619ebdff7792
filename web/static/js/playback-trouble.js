// What a failed request means to whoever looks at recorded pictures, and when to ask again: pure.

import { ApiError } from './api.js';

/** Codes of the box that concern a disk. */
const DISK = ['storage', 'volume_missing', 'volume_wrong', 'volume_read_only'];

/**
 * @param {unknown} error
 * @returns {'aborted'|'signin'|'locked'|'corrupt'|'disk'|'denied'|'gone'|'server'|'codec'}
 */
export function kindOf(error) {
  if (error instanceof DOMException) {
    if (error.name === 'AbortError') return 'aborted';
    return error.name === 'EncodingError' ? 'corrupt' : 'codec';
  }
  if (!(error instanceof ApiError)) return 'server';
  if (error.status === 401) return 'signin';
  if (error.code === 'key_locked') return 'locked';
  if (error.code === 'segment_corrupt') return 'corrupt';
  if (DISK.includes(error.code)) return 'disk';
  if (error.status === 403) return 'denied';
  return error.status === 404 || error.status === 416 ? 'gone' : 'server';
}

/** Kinds that end what is shown: the pictures go at once. */
export const TAKES_PICTURE = ['denied', 'locked'];

/**
 * @param {string} kind @param {number} failures in a row, 1 = first @param {number} jitter in [0, 1)
 * @returns {number} ms until it is tried again; never, where only a person can change it and each try is written down
 */
export function againIn(kind, failures, jitter) {
  if (kind === 'denied') return Infinity;
  const base = kind === 'server' || kind === 'gone' ? Math.min(30000, 1000 * 2 ** Math.min(failures - 1, 5)) : 15000;
  return base * (0.75 + jitter / 2);
}

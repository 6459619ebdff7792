// Requests to the box. Invariants: nothing is cached; an error carries the server's code and words.

import { now } from './i18n.js';

/** An answer that is not a success. */
export class ApiError extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.error?.code || `http_${status}`);
    this.status = status;
    this.code = this.message;
    this.reason = body?.error?.reason || '';
    this.why = body?.error?.why || '';
    this.title = body?.error?.title || '';
    this.hint = body?.error?.hint || '';
    /** Of a slip: tries that are left, and devices of which one has to end. */
    this.left = body?.error?.left || 0;
    this.devices = body?.error?.devices || [];
  }
}

/** @param {Response} response */
async function failure(response) {
  return new ApiError(response.status, await response.json().catch(() => null));
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} a success; ApiError otherwise, TypeError without a network
 */
export async function call(url, options = {}) {
  const ask = () => fetch(url, { cache: 'no-store', credentials: 'same-origin', redirect: 'error', ...options });
  const response = await ask();
  if (response.ok) return response;
  const error = await failure(response);
  // Something sensitive, long after the login: whoever sits there proves who they are, and it goes on.
  if (error.reason !== 'login.stale' || !(await (await import('./relogin.js')).prove())) throw error;
  const again = await ask();
  if (!again.ok) throw await failure(again);
  return again;
}

/** @param {string} url @returns {Promise<any>} */
export const getJson = async (url) => (await call(url)).json();

/** @param {string} url @param {unknown} [body] @returns {Promise<any>} */
export async function postJson(url, body = {}) {
  const headers = { 'Content-Type': 'application/json' };
  return (await call(url, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

/** Twice the box's longest pause between events, and a little (ms). */
const SILENT_MS = 20000;
/** A restart of the box is no loss yet (ms). */
const BROKEN_MS = 4000;

/**
 * Listens to the box's events while the page can be seen.
 * @param {string} url
 * @param {Record<string, (data: any) => void>} handlers by event name
 * @param {(since: number) => void} [lost] told UTC ms by this device's clock when the box was last heard, 0 = again
 */
export function listen(url, handlers, lost = () => undefined) {
  /** @type {EventSource|null} */
  let source = null;
  let [heard, broken, said] = [performance.now(), 0, false];
  const hear = () => {
    [heard, broken] = [performance.now(), 0];
    if (said) lost(0);
    said = false;
  };
  setInterval(() => {
    const time = performance.now();
    if (document.hidden || said) return;
    if (time - heard > SILENT_MS || (broken && time - broken > BROKEN_MS)) {
      said = true;
      lost(now() - (time - heard));
      close();
      open();
    }
  }, 1000);
  const open = () => {
    if (document.hidden || source) return;
    source = new EventSource(url);
    source.addEventListener('open', hear);
    source.addEventListener('beat', hear);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        hear();
        handle(JSON.parse(/** @type {MessageEvent} */ (event).data));
      });
    }
    // A refused stream (session over, too many) is closed by the browser for good: ask again later.
    source.addEventListener('error', () => {
      broken ||= performance.now();
      if (source?.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 5000 + Math.random() * 5000);
      }
    });
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener('visibilitychange', () => {
    [heard, broken] = [performance.now(), 0];
    if (document.hidden) close();
    else open();
  });
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  open();
}

// Requests to the box. Invariants: nothing is cached; an error carries the server's code and words.

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
  const response = await fetch(url, { cache: 'no-store', credentials: 'same-origin', redirect: 'error', ...options });
  if (!response.ok) throw await failure(response);
  return response;
}

/** @param {string} url @returns {Promise<any>} */
export const getJson = async (url) => (await call(url)).json();

/** @param {string} url @param {unknown} [body] @returns {Promise<any>} */
export async function postJson(url, body = {}) {
  const headers = { 'Content-Type': 'application/json' };
  return (await call(url, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

/**
 * Listens to the box's events while the page can be seen.
 * @param {string} url
 * @param {Record<string, (data: any) => void>} handlers by event name
 */
export function listen(url, handlers) {
  /** @type {EventSource|null} */
  let source = null;
  const open = () => {
    if (document.hidden || source) return;
    source = new EventSource(url);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    }
    // A refused stream (session over, too many) is closed by the browser for good: ask again later.
    source.addEventListener('error', () => {
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
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  open();
}

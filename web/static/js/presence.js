// Whether a view is to be seen, and how large it is: page, element, network and size in one place.
// Invariant: after the returned function was called nothing is called back any more.

import { unwatch, watch } from './sight.js';

/**
 * @param {HTMLElement} element
 * @param {object} on
 * @param {(event: Event) => void} on.wake the page is shown or hidden, comes back, or has a network again
 * @param {() => void} on.sleep the page is left
 * @param {(visible: boolean) => void} on.seen the element came near the screen, or went
 * @param {() => void} on.sized it has another size
 * @returns {() => void} ends it
 */
export function watchPresence(element, { wake, sleep, seen, sized }) {
  const sizer = new ResizeObserver(sized);
  const ending = new AbortController();
  const { signal } = ending;
  watch(element, seen);
  sizer.observe(element);
  document.addEventListener('visibilitychange', wake, { signal });
  addEventListener('online', wake, { signal });
  addEventListener('pagehide', sleep, { signal });
  addEventListener('pageshow', wake, { signal });
  return () => {
    unwatch(element);
    sizer.disconnect();
    ending.abort();
  };
}

// The keyboard of the review page, on the picture and on the bars. Invariant: keys with a letter or a sign act only
// where the focus is on one of those, so that they cannot be hit by accident elsewhere.

const SECOND = 1000;

/**
 * @param {HTMLElement[]} places
 * @param {{by: (ms: number) => void, first: () => void, last: () => void, toggle: () => void, frame: (n: number) => void,
 *   mark: (n: number) => void, zoom: (by: number) => void}} acts
 */
export function listenKeys(places, acts) {
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const keys = {
    ArrowLeft: (event) => acts.by(event.shiftKey ? -10 * SECOND : -SECOND),
    ArrowRight: (event) => acts.by(event.shiftKey ? 10 * SECOND : SECOND),
    ArrowDown: (event) => acts.by(event.shiftKey ? -10 * SECOND : -SECOND),
    ArrowUp: (event) => acts.by(event.shiftKey ? 10 * SECOND : SECOND),
    PageUp: () => acts.by(600 * SECOND),
    PageDown: () => acts.by(-600 * SECOND),
    Home: acts.first,
    End: acts.last,
    ' ': acts.toggle,
    ',': () => acts.frame(-1),
    '.': () => acts.frame(1),
    '[': () => acts.mark(0),
    ']': () => acts.mark(1),
    '+': () => acts.zoom(1),
    '=': () => acts.zoom(1),
    '-': () => acts.zoom(-1),
  };
  for (const place of places) {
    place.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target !== place || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key](event);
    });
  }
}

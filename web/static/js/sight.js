// Which elements can be seen, told in view order: top first, then left to right. One observer for all, because
// browsers call several in no particular order, and what asks first gets its picture first.

/** @type {WeakMap<Element, (visible: boolean) => void>} */
const told = new WeakMap();

/** @param {IntersectionObserverEntry} one @param {IntersectionObserverEntry} other */
const inViewOrder = ({ boundingClientRect: one }, { boundingClientRect: other }) =>
  one.top - other.top || one.left - other.left;

const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.sort(inViewOrder)) told.get(entry.target)?.(entry.isIntersecting);
  },
  { rootMargin: '100px' },
);

/** @param {Element} element @param {(visible: boolean) => void} tell */
export function watch(element, tell) {
  told.set(element, tell);
  observer.observe(element);
}

/** @param {Element} element */
export function unwatch(element) {
  observer.unobserve(element);
}

// A link from another app arrives without the strict cookie; the page's own request carries it. Look once.

import { getJson } from './api.js';

const tried = new URLSearchParams(location.search).has('lai');
if (!tried) {
  getJson('/api/me').then(
    (person) => person && location.replace(`${location.pathname === '/vao' ? '/' : location.pathname}?lai=1`),
    () => undefined,
  );
}

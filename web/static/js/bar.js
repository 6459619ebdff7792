// The rows of places, and the sheet behind the last tab of a phone's bar: it opens and shuts without this; here it also shuts as people expect.
// Invariant: whoever shuts it with the keyboard stands again on the tab that opened it.

const sheet = document.getElementById('rest');

// A row of places that is wider than a phone shows the present one, wherever it stands in the row.
for (const row of document.querySelectorAll('.chips')) {
  const here = /** @type {HTMLElement|null} */ (row.querySelector('[aria-current]'));
  if (here) row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

/** Shut the sheet. */
function shut() {
  sheet?.removeAttribute('open');
}

if (sheet) {
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !sheet.hasAttribute('open')) return;
    shut();
    sheet.querySelector('summary')?.focus();
  });
  addEventListener('click', (event) => {
    const at = event.target instanceof Element ? event.target : null;
    if (!at?.closest('#rest .rest, #rest summary')) shut();
  });
  sheet.addEventListener('focusout', (event) => {
    if (event.relatedTarget instanceof Node && !sheet.contains(event.relatedTarget)) shut();
  });
}

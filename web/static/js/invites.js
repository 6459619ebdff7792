// Ticking all guardians of a class at once.

const all = /** @type {HTMLInputElement|null} */ (document.getElementById('all'));
const boxes = () => /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll('input[name=ai]'));
all?.addEventListener('change', () => {
  for (const box of boxes()) box.checked = all.checked;
});

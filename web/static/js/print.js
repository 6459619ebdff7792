// A sheet that is made for the printer.

const button = /** @type {HTMLButtonElement} */ (document.getElementById('print'));
button.hidden = false;
button.addEventListener('click', () => print());

/** Shows the button that prints the page: without scripts there is none, and the browser's own menu does it. */
const button = document.querySelector("[data-print]");
if (button instanceof HTMLButtonElement) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

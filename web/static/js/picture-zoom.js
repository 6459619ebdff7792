// Looking closer at the picture: once, twice, four times; a drag moves it. Invariant: the picture never leaves its frame.

const STEPS = [1, 2, 4];

export class PictureZoom {
  scale = 1;
  #x = 0;
  #y = 0;

  /** @param {HTMLElement} frame @param {HTMLElement} picture @param {(scale: number) => void} changed */
  constructor(frame, picture, changed) {
    [this.frame, this.picture, this.changed] = [frame, picture, changed];
    let held = false;
    picture.addEventListener('pointerdown', (event) => {
      if (this.scale === 1) return;
      held = true;
      picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener('pointermove', (event) => held && this.#move(event.movementX, event.movementY));
    for (const name of ['pointerup', 'pointercancel']) picture.addEventListener(name, () => [held = false]);
    picture.addEventListener('dblclick', () => this.next());
  }

  /** The next step; after the last comes the whole picture. */
  next() {
    this.scale = STEPS[(STEPS.indexOf(this.scale) + 1) % STEPS.length];
    this.#move(0, 0);
    this.frame.classList.toggle('zoomed', this.scale > 1);
    this.changed(this.scale);
  }

  /** @param {number} dx @param {number} dy */
  #move(dx, dy) {
    const [most, high] = [this.frame.clientWidth, this.frame.clientHeight].map((size) => (size * (this.scale - 1)) / 2);
    this.#x = Math.max(-most, Math.min(most, this.#x + dx));
    this.#y = Math.max(-high, Math.min(high, this.#y + dy));
    this.picture.style.transform = this.scale === 1 ? '' : `translate(${this.#x}px, ${this.#y}px) scale(${this.scale})`;
  }
}

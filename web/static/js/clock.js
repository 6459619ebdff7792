// The clock of staff pages: the box's time, whatever this device's clock says.

import { clockSeconds, now } from './i18n.js';

const face = document.getElementById('clock');
const tick = () => {
  if (face) face.textContent = clockSeconds(now());
  setTimeout(tick, 1000 - (now() % 1000));
};
tick();

// Somebody is at the page. What a page fetches by itself is no sign of life to the box, which signs a forgotten screen
// out; whoever watches a recording changes nothing either, so touches and keys are told. Invariants: at most one
// message a minute; nothing is told while nobody touches anything; before the box would end it, the page asks.

import { postJson } from './api.js';

const TELL_MS = 60000;
/** Five minutes before the box ends what nobody touches. */
const ASK_MS = 25 * 60000;

/** @param {() => void} ask nobody touched the page for long @param {() => void} back somebody did after all */
export function untouched(ask, back) {
  let [told, timer, asked] = [performance.now(), 0, false];
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => [asked = true, ask()], ASK_MS);
  };
  const touched = () => {
    const time = performance.now();
    if (asked) back();
    else if (time - told < TELL_MS) return;
    [told, asked] = [time, false];
    wait();
    postJson('/api/session/active').catch(() => [told = -TELL_MS]); // told again with the next touch
  };
  for (const name of ['pointerdown', 'keydown', 'wheel']) addEventListener(name, touched, { capture: true, passive: true });
  wait();
}

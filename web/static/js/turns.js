// What the box gives this page instead of plain video (turns at a full uplink, stills when it is busy), in words.
// Invariants: the time to wait counts down by itself and is never negative; it is said in steps of ten seconds, so that
// a screen reader is not interrupted each second; without a promise nothing is promised.

import { t } from './i18n.js';

/**
 * @typedef {object} Turn as the box says it
 * @property {string} place video, smaller, turn or stills
 * @property {string} why '', uplink or cpu; full where the box refused a session
 * @property {number|null} next_s until this page's turn comes
 * @property {number|null} left_s of video that is certain, where others wait
 */

const STEP_S = 10;
/** @type {Turn} nothing to tell */
export const PLAIN = { place: 'video', why: '', next_s: null, left_s: null };
/** @type {Turn} the box serves as many as it may */
export const FULL = { ...PLAIN, place: 'stills', why: 'full' };

/** @param {Turn} turn @returns {boolean} whether stills are all there is for now */
export const isHeld = ({ place }) => place === 'turn' || place === 'stills';

/** @param {Turn|null} turn @returns {string} a few words for the picture's corner */
export const heldWords = (turn) => (turn ? t(turn.place === 'turn' ? 'turn.waits' : 'turn.stills') : '');

/** @param {number} seconds @returns {string} whole tens of seconds, minutes from one on */
export function roughly(seconds) {
  const whole = Math.ceil(Math.max(seconds, 1) / STEP_S) * STEP_S;
  const [m, s] = [Math.floor(whole / 60), whole % 60];
  if (!m) return t('turn.s', { s });
  return s ? t('turn.ms', { m, s }) : t('dur.m', { m });
}

/** @param {string} why */
function stills(why) {
  if (why === 'cpu') return t('turn.busy');
  return why === 'full' ? t('turn.full') : t('turn.narrow');
}

/**
 * @param {Turn} turn
 * @param {number} passed seconds since the box said so
 * @returns {string} one sentence for a guardian, '' while there is nothing to say
 */
export function sentence(turn, passed) {
  if (turn.place === 'stills') return stills(turn.why);
  if (turn.place === 'turn') {
    if (turn.next_s === null) return t('turn.many');
    const left = turn.next_s - passed;
    return left > 0 ? t('turn.next', { dur: roughly(left) }) : t('turn.soon');
  }
  if (turn.place !== 'video' || turn.left_s === null) return '';
  return turn.left_s > passed ? t('turn.left', { dur: roughly(turn.left_s - passed) }) : t('turn.over');
}

/**
 * Says under the picture what the box gives, for as long as it gives less than plain video.
 * @param {HTMLElement} view a <live-view> @param {HTMLElement} card with a <b> and a <span> for the words
 */
export function showTurns(view, card) {
  /** @type {Turn|null} */ let turn = null;
  let since = 0;
  const [words, more] = /** @type {HTMLElement[]} */ ([card.querySelector('b'), card.querySelector('span')]);
  const draw = () => {
    const said = turn ? sentence(turn, (performance.now() - since) / 1000) : '';
    card.hidden = !said;
    if (words.textContent === said) return;
    words.textContent = said;
    more.textContent = t(turn?.place === 'stills' ? 'turn.photos' : 'turn.more', { n: view.getAttribute('every') });
  };
  view.addEventListener('live-turn', (event) => {
    turn = /** @type {CustomEvent} */ (event).detail;
    since = performance.now();
    draw();
  });
  setInterval(draw, 1000);
}

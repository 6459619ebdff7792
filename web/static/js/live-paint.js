// What <live-view> says over its picture. Invariant: an age is shown whenever the picture is not "now".

import { icon, make } from './dom.js';
import { clock, duration, now, t } from './i18n.js';

/**
 * @typedef {object} Shown
 * @property {string} state @property {string} reason
 * @property {number|null} age seconds, null while the picture counts as now
 * @property {boolean} picture whether a still stands there @property {boolean} norec whether it is not recorded
 * @property {boolean} full the box has no place to make video of this camera
 * @property {string} lastUrl picture of a camera that is gone, '' = none
 * @property {number} lastAt UTC ms
 * @property {string} why catalogue key @property {number} since UTC ms, 0 = unknown
 * @property {() => void} play @property {(() => void)|null} back takes the picture back from another device
 */

/** @param {string} name of the camera @returns {[HTMLImageElement, HTMLVideoElement, HTMLElement, HTMLElement]} picture, video, middle, chip */
export function parts(name) {
  const image = /** @type {HTMLImageElement} */ (make('img'));
  Object.assign(image, { hidden: true, alt: '' });
  const video = /** @type {HTMLVideoElement} */ (make('video'));
  Object.assign(video, { muted: true, playsInline: true, disablePictureInPicture: true });
  video.setAttribute('aria-label', t('live.of', { name }));
  return [image, video, make('div', 'mid'), make('div', 'chip-at')];
}

/** What the page has set on the element. @param {HTMLElement} view */
export const told = (view) => ({
  norec: view.hasAttribute('norec'),
  full: view.hasAttribute('full'),
  why: view.getAttribute('why') || 'cam.state.down',
  since: Number(view.getAttribute('since') || 0),
});

/** @param {HTMLElement} chip @param {HTMLElement} mid @param {Shown} shown */
export function paint(chip, mid, shown) {
  chip.replaceChildren(...chipParts(shown));
  mid.replaceChildren(...midParts(shown));
  mid.className = ['opening', 'tap'].includes(shown.state) && shown.picture ? 'mid over' : 'mid';
}

/** @param {Shown} shown @returns {HTMLElement[]} the chip in the corner */
function chipParts({ state, age, picture, norec, full }) {
  const alarm = norec ? [make('span', 'pb bad', [icon('disk-off'), t('cam.not_recording')])] : [];
  if (state === 'live') return [...alarm, make('span', 'pb', [make('i', 'dot'), t('live.badge')])];
  if (!picture || ['stalled', 'offline', 'idle'].includes(state)) return alarm;
  const why = full ? [make('span', 'pb', [icon('video-off'), t('live.transcodes')])] : [];
  return [...alarm, ...why, make('span', state === 'weak' ? 'pb warn num' : 'pb num', [icon('image'), photoAge(age)])];
}

/** @param {number|null} age seconds */
function photoAge(age) {
  if (age === null) return t('live.photo_now');
  return age < 120 ? t('live.photo_age', { n: age }) : t('live.photo_old', { dur: duration(age * 1000, Math.floor) });
}

/** @param {number} age seconds */
const stopped = (age) =>
  age < 120 ? t('live.stopped', { n: age }) : t('live.stopped_long', { dur: duration(age * 1000, Math.floor) });

/** @param {Shown} shown @returns {HTMLElement[]} the middle */
function midParts(shown) {
  const { state, age, picture } = shown;
  if (state === 'tap') return [tapButton(shown.play), make('b', '', [t('live.tap')])];
  if (state === 'stalled') {
    return [make('i', 'spin'), make('b', '', [t('live.reconnect')]), make('span', 'num', [stopped(age ?? 3)])];
  }
  if (state === 'ended' || state === 'gone') {
    const words = make('b', '', [shown.reason]);
    return shown.back && state === 'ended' ? [words, backButton(shown.back)] : [words];
  }
  if (state === 'offline') return [offlinePlate(shown)];
  if (state === 'opening' && !picture) {
    return [make('i', 'spin'), make('b', '', [t(navigator.onLine ? 'live.opening' : 'net.offline')])];
  }
  return [];
}

/** @param {() => void} back */
function backButton(back) {
  const button = make('button', 'here', [t('live.here')]);
  button.addEventListener('click', (event) => {
    event.preventDefault();
    back();
  });
  return button;
}

/** @param {() => void} play */
function tapButton(play) {
  const button = make('button', 'play', [icon('play')]);
  button.setAttribute('aria-label', t('live.tap'));
  button.addEventListener('click', (event) => {
    event.preventDefault();
    play();
  });
  return button;
}

/** @param {Shown} shown */
function offlinePlate({ why, since, lastUrl, lastAt }) {
  const words = make('div', 'tx', [icon('video-off'), make('b', '', [t(why)])]);
  const from = since || lastAt;
  if (from) words.append(make('span', 'num', [t('cam.since', { time: clock(from), dur: duration(now() - from, Math.floor) })]));
  const plate = make('div', 'nopic', [words]);
  if (lastUrl) {
    const image = /** @type {HTMLImageElement} */ (make('img'));
    image.src = lastUrl;
    image.alt = '';
    plate.append(make('figure', 'last', [image, make('figcaption', 'num', [t('cam.last', { time: clock(lastAt) })])]));
  }
  return plate;
}

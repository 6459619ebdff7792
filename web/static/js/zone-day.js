// Days of the school: where one begins, and times as people write and hear them. Pure, but for the zone, which
// the page states. Invariant: a day may have 23 to 25 hours; nothing here adds 24 hours and hopes.

import { t } from './i18n.js';

const zone = document.documentElement.dataset.zone || 'Asia/Ho_Chi_Minh';
const fields = new Intl.DateTimeFormat('en-GB', {
  timeZone: zone, year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric',
  second: 'numeric', hourCycle: 'h23',
});
export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** @param {number} ms UTC @returns {Record<string, number>} year, month, day, hour, minute, second at the school */
export function partsOf(ms) {
  return Object.fromEntries(fields.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
}

/** @param {number} ms @returns {number} how far the school's clock is ahead of UTC then (ms) */
function aheadOf(ms) {
  const p = partsOf(ms);
  return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(ms / 1000) * 1000;
}

/** @param {number} year @param {number} month 1-12 @param {number} day may overflow @returns {number} UTC ms of its midnight */
export function midnight(year, month, day) {
  const local = Date.UTC(year, month - 1, day);
  const guess = local - aheadOf(local);
  return local - aheadOf(guess);
}

/** @param {number} ms @param {number} [days] later (or earlier) @returns {number} UTC ms of that day's midnight */
export function dayStart(ms, days = 0) {
  const p = partsOf(ms);
  return midnight(p.year, p.month, p.day + days);
}

/** @param {number} ms @returns {[number, number]} the day of an instant, its end is the next one's midnight */
export const dayOf = (ms) => [dayStart(ms), dayStart(ms, 1)];

/** @param {number} day UTC ms of a midnight @param {number} seconds of the clock on the wall @returns {number} UTC ms */
export function atClock(day, seconds) {
  const ms = day + seconds * 1000;
  return ms + aheadOf(day) - aheadOf(ms);
}

/**
 * @param {string} text `10:12`, `10:12:30`, `10 12 30`, `101230`
 * @returns {number|null} seconds since midnight
 */
export function parseClock(text) {
  const plain = text.trim().replace(/^(\d{2})(\d{2})(\d{2})?$/, '$1:$2:$3').replace(/:$/, '');
  const found = /^(\d{1,2})[\s:.h](\d{1,2})(?:[\s:.](\d{1,2}))?$/.exec(plain);
  if (!found) return null;
  const [h, m, s] = [found[1], found[2], found[3] || '0'].map(Number);
  return h > 23 || m > 59 || s > 59 ? null : h * 3600 + m * 60 + s;
}

const two = (/** @type {number} */ n) => String(n).padStart(2, '0');

/** @param {number} ms @returns {string} `24/09` */
export function shortDate(ms) {
  const p = partsOf(ms);
  return `${two(p.day)}/${two(p.month)}`;
}

/** @param {number} ms @returns {number} 0 = Monday, as the catalogue counts */
export function weekday(ms) {
  const p = partsOf(ms);
  return (new Date(Date.UTC(p.year, p.month - 1, p.day)).getUTCDay() + 6) % 7;
}

/** @param {number} ms @returns {string} weekday and date without the year */
export const dayName = (ms) => t('review.day', { weekday: t(`weekday.${weekday(ms)}`), date: shortDate(ms) });

/** @param {number} ms @returns {string} a time to be heard: ten hours, fifteen minutes, thirty-two seconds */
export function spoken(ms) {
  const p = partsOf(ms);
  return t('review.spoken', { h: p.hour, m: p.minute, s: p.second });
}

/** @param {number} ms a length @returns {string} minutes and seconds, for lengths that matter to the second */
export function exactly(ms) {
  const seconds = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const said = [h && t('review.len.h', { n: h }), m && t('review.len.m', { n: m }), (s || !(h || m)) && t('review.len.s', { n: s })];
  return said.filter(Boolean).join(' ');
}

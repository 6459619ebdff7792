// What can be done with a selected span: keep it, or ask for a copy of it. Both ask for a reason first.
// Event: held. The page that mounts it loads css/exports.css and carries the texts `exp.` and `hold.`.

import { postJson } from './api.js';
import { icon, make } from './dom.js';
import { clockSeconds, t } from './i18n.js';
import { askWhy } from './why-dialog.js';

const DAYS = 30;
const REASONS = ['fall', 'parent', 'authority', 'lesson', 'other'];
const zone = document.documentElement.dataset.zone || 'Asia/Ho_Chi_Minh';
const dates = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: '2-digit', year: 'numeric', timeZone: zone });

/** @param {number} ms UTC @returns {string} the day at the school: 24/09/2026 */
export const day = (ms) => dates.format(ms);

/** @param {string} camera its name @param {number} from_ms @param {number} to_ms */
export const spanText = (camera, from_ms, to_ms) =>
  t('exp.span', { camera, date: day(from_ms), from: clockSeconds(from_ms), to: clockSeconds(to_ms) });

/**
 * Puts the buttons into an element; call it again with another span, it replaces what was there.
 * @param {HTMLElement} element
 * @param {{camera: string, from_ms: number, to_ms: number, name?: string}} span UTC ms, half open
 */
export function mountSpanActions(element, { camera, from_ms, to_ms, name = '' }) {
  const said = make('p', 'said');
  said.setAttribute('role', 'status');
  const reasons = REASONS.map((reason) => t(`exp.reason.${reason}`));
  const text = spanText(name, from_ms, to_ms).replace(/^ · /, '');
  /** @param {string} what @param {(Node|string)[]} more */
  const say = (what, more = []) => said.replaceChildren(what, ...more);

  const keep = make('button', 'btn', [icon('bookmark'), t('hold.do')]);
  keep.addEventListener('click', () =>
    askWhy({
      title: t('hold.do'), symbol: 'bookmark', text, legend: t('hold.why'), reasons, confirm: t('hold.send', { n: DAYS }),
      act: async (why) => {
        const hold = await postJson(`/api/cameras/${camera}/holds`, { from_ms, to_ms, why });
        say(hold.confirmed ? t('hold.done', { date: day(hold.until_ms) }) : t('hold.waits'));
        element.dispatchEvent(new Event('held'));
      },
    }));

  const copy = make('button', 'btn p', [icon('download'), t('exp.do')]);
  copy.addEventListener('click', () =>
    askWhy({
      title: t('exp.do'), symbol: 'download', text, legend: t('exp.why'), reasons, confirm: t('exp.send'),
      act: async (why) => {
        await postJson(`/api/cameras/${camera}/exports`, { from_ms, to_ms, why });
        const link = make('a', '', [t('exp.open')]);
        link.setAttribute('href', '/trich-xuat');
        say(`${t('exp.sent')} `, [link]);
        element.dispatchEvent(new Event('held'));
      },
    }));

  for (const button of [keep, copy]) button.setAttribute('type', 'button');
  element.classList.add('span-acts');
  element.replaceChildren(copy, keep, said);
}

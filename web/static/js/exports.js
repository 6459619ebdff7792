// The page of holds and copies: cards, progress, the second person's approval, the download.

import { call, getJson, postJson } from './api.js';
import { icon, make } from './dom.js';
import { clock, has, pageData, setNow, t } from './i18n.js';
import { day, spanText } from './span-actions.js';
import { askWhy } from './why-dialog.js';

const BUSY_MS = 1500;
const QUIET_MS = 8000;
const UNDER_WAY = ['queued', 'working', 'signing'];
const KINDS = /** @type {Record<string, string>} */ ({ asked: 'warn', working: 'hold', queued: 'hold', signing: 'hold', ready: 'ok' });
const SIGNS = /** @type {Record<string, string>} */ ({ asked: 'hourglass', queued: 'hourglass', working: 'refresh', signing: 'key', ready: 'check-circle' });
const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const mb = (/** @type {number} */ bytes) => Math.ceil(bytes / 1e6);
let state = pageData('state');
/** The order whose approval or end is being confirmed, and which of the two. */
let sure = '';

/** @param {string} kind @param {string} symbol @param {string} text @param {() => void} act */
function button(kind, symbol, text, act) {
  const made = make('button', `btn sm ${kind}`.trim(), [icon(symbol, 's'), text]);
  made.setAttribute('type', 'button');
  made.addEventListener('click', act);
  return made;
}

/** @param {string} kind @param {string} symbol @param {string} text @param {string} href */
function link(kind, symbol, text, href) {
  const made = make('a', `btn sm ${kind}`.trim(), [icon(symbol, 's'), text]);
  made.setAttribute('href', href);
  return made;
}

/** @param {() => Promise<unknown>} act */
async function doing(act) {
  try {
    await act();
    sure = '';
    $('trouble').hidden = true;
  } catch (error) {
    const { why, title } = /** @type {import('./api.js').ApiError} */ (error);
    $('trouble').hidden = false;
    $('trouble').textContent = t('exp.failed', { why: why || title || t('net.offline') });
  }
  await refresh();
}

/** @param {any} item a hold or an order */
const playback = (item) => link('', 'play', t('exp.look'), `/xem-lai/${item.camera}?luc=${item.from_ms}`);

/** @param {any} order @param {string} act @param {string} text @param {string} confirm */
function confirmation(order, act, text, confirm) {
  const kind = act === 'approve' ? 'p' : 'd';
  const go = button(kind, act === 'approve' ? 'check-circle' : 'x-circle', confirm, () =>
    doing(() => postJson(`/api/exports/${order.order}/${act}`)));
  const back = button('', 'arrow-left', t('exp.back'), () => {
    sure = '';
    paint();
  });
  return make('div', 'sure', [make('p', 'small', [text]), make('div', 'w', [go, back])]);
}

/** @param {any} order */
function actions(order) {
  const made = [];
  const ask = (/** @type {string} */ act) => () => {
    sure = `${act} ${order.order}`;
    paint();
    /** @type {HTMLElement|null} */ (document.querySelector('.sure .btn'))?.focus();
  };
  if (order.may_approve) {
    made.push(button('p', 'check-circle', t('exp.approve'), ask('approve')));
    made.push(button('', 'x-circle', t('exp.refuse'), () =>
      askWhy({
        title: t('exp.refuse'), symbol: 'x-circle', legend: t('exp.refuse.why'), reasons: [], confirm: t('exp.refuse'),
        act: async (why) => {
          await postJson(`/api/exports/${order.order}/cancel`, { why });
          await refresh();
        },
      })));
  } else if (order.may_cancel) {
    made.push(button('', 'x-circle', t('exp.cancel'), ask('cancel')));
  }
  if (order.file) {
    const fetch = link('p', 'download', t('exp.fetch'), order.file);
    fetch.setAttribute('download', '');
    made.unshift(fetch);
  }
  return [...made, playback(order)];
}

/** @param {any} order @returns {HTMLElement[]} */
function progress(order) {
  if (order.state !== 'working' || !order.total_bytes) return [];
  const share = Math.min(1, order.done_bytes / order.total_bytes);
  const left = share > 0.02 ? Math.ceil((order.seconds * (1 - share)) / share) : 0;
  const bar = make('div', 'bar', [make('i')]);
  bar.setAttribute('role', 'progressbar');
  bar.setAttribute('aria-label', t('exp.state.working', { p: Math.floor(100 * share) }));
  bar.setAttribute('aria-valuenow', String(Math.floor(100 * share)));
  /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${100 * share}%`;
  const sizes = { n: left, done: mb(order.done_bytes / 3), total: mb(order.total_bytes / 3) };
  return [bar, make('p', 'xs mut num', [t(left ? 'exp.left' : 'exp.done_mb', sizes)])];
}

/** @param {any} order */
function notes(order) {
  const lines = [t('exp.asked_by', { name: order.requester, at: `${clock(order.requested_ms)} ${day(order.requested_ms)}` })];
  if (order.approver) lines.push(t('exp.approved_by', { name: order.approver }));
  if (order.ended_by && order.end_why) lines.push(t('exp.ended_by', { name: order.ended_by, why: order.end_why }));
  if (order.expires_ms && order.file) lines.push(t('exp.until', { date: day(order.expires_ms) }));
  const made = [make('p', 'xs mut', [lines.join(' · ')])];
  if (order.trouble && (order.state === 'failed' || UNDER_WAY.includes(order.state))) {
    const key = `exp.trouble.${order.trouble}`;
    const why = has(key) ? t(key) : order.trouble;
    made.push(make('p', 'small', [t(order.state === 'failed' ? 'exp.failed_why' : 'exp.waits', { why })]));
  }
  if (order.file) made.push(make('p', 'xs mut num', [t('exp.sum', { sum: order.sha256.match(/.{4}/g).slice(0, 4).join(' ') })]), make('p', 'xs mut', [t('exp.after')]));
  if (order.state === 'asked' && order.mine) made.push(make('p', 'small', [t('exp.mine')]));
  return made;
}

/** @param {any} order */
function orderCard(order) {
  const p = order.total_bytes ? Math.floor((100 * order.done_bytes) / order.total_bytes) : 0;
  const hold = state.holds.find((/** @type {any} */ item) => item.hold === order.hold);
  const chips = [make('span', `chip ${KINDS[order.state] || ''}`.trim(), [icon(SIGNS[order.state] || 'x-circle'), t(`exp.state.${order.state}`, { p })])];
  if (hold) chips.unshift(make('span', 'chip hold', [icon('lock'), t('hold.until', { date: day(hold.until_ms) })]));
  const card = make('article', 'card copy', [
    make('div', 'w', chips),
    make('h3', '', [order.why]),
    make('p', 'small num', [spanText(state.names[order.camera], order.from_ms, order.to_ms)]),
    ...progress(order),
    ...notes(order),
    make('div', 'w acts', actions(order)),
  ]);
  if (sure === `approve ${order.order}`) card.append(confirmation(order, 'approve', t('exp.approve.text'), t('exp.approve.sure')));
  if (sure === `cancel ${order.order}`) card.append(confirmation(order, 'cancel', order.why, t('exp.cancel.sure')));
  card.dataset.id = order.order;
  return card;
}

/** @param {any} hold */
function holdCard(hold) {
  const at = `${clock(hold.placed_ms)} ${day(hold.placed_ms)}`;
  const chips = [make('span', 'chip hold', [icon('lock'), t('hold.until', { date: day(hold.until_ms) })])];
  if (!hold.confirmed) chips.push(make('span', 'chip warn', [icon('hourglass'), t('hold.unconfirmed')]));
  const lift = button('', 'x-circle', t('hold.lift'), () =>
    askWhy({
      title: t('hold.lift'), symbol: 'x-circle', legend: t('hold.lift.why'), reasons: [], confirm: t('hold.lift'),
      act: async (why) => {
        await call(`/api/holds/${hold.hold}`, { method: 'DELETE', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ why }) });
        await refresh();
      },
    }));
  const card = make('article', 'card copy', [
    make('div', 'w', chips),
    make('h3', '', [hold.why]),
    make('p', 'small num', [spanText(state.names[hold.camera], hold.from_ms, hold.to_ms)]),
    make('p', 'xs mut', [hold.by ? t('hold.by', { name: hold.by, at }) : t('hold.by_console', { at })]),
    make('div', 'w acts', [playback(hold), lift]),
  ]);
  card.dataset.id = hold.hold;
  return card;
}

function paint() {
  setNow(state.now_ms);
  const used = new Set(state.exports.filter((/** @type {any} */ order) => order.may_cancel).map((/** @type {any} */ order) => order.hold));
  const holds = state.holds.filter((/** @type {any} */ hold) => !used.has(hold.hold));
  const focused = /** @type {HTMLElement|null} */ (document.activeElement);
  const [card, place] = [focused?.closest('.copy'), focused ? [...(focused.closest('.copy')?.querySelectorAll('.btn') || [])].indexOf(focused) : -1];
  const id = /** @type {HTMLElement|null|undefined} */ (card)?.dataset.id;
  $('orders').replaceChildren(...state.exports.map(orderCard));
  $('holds').replaceChildren(...holds.map(holdCard));
  $('no-orders').hidden = state.exports.length > 0;
  $('no-holds').hidden = holds.length > 0;
  // What is drawn anew must not take the keyboard away from whoever is on it.
  if (id && place >= 0) /** @type {HTMLElement|undefined} */ (document.querySelectorAll(`[data-id="${id}"] .btn`)[place])?.focus();
}

let said = JSON.stringify([state.holds, state.exports]);

async function refresh() {
  state = await getJson('/api/copies');
  said = JSON.stringify([state.holds, state.exports]);
  paint();
}

async function again() {
  try {
    if (!document.hidden) {
      const next = await getJson('/api/copies');
      const text = JSON.stringify([next.holds, next.exports]);
      state = next;
      if (text !== said) paint();
      said = text;
    }
  } catch (error) {
    if (/** @type {import('./api.js').ApiError} */ (error).status === 401) location.assign('/vao');
  } finally {
    const busy = state.exports.some((/** @type {any} */ order) => UNDER_WAY.includes(order.state));
    setTimeout(again, busy ? BUSY_MS : QUIET_MS);
  }
}

paint();
setTimeout(again, BUSY_MS);

// A dialog that asks for a reason before something is done. It stays open, and says why, when that fails.

import { icon, make } from './dom.js';
import { t } from './i18n.js';

let serial = 0;

/**
 * @param {{title: string, symbol: string, text?: string, legend: string, reasons: string[], confirm: string,
 *   act: (why: string) => Promise<void>}} wish `reasons`: texts to pick from; none = only a line to write
 * @returns {Promise<boolean>} whether it was done
 */
export function askWhy({ title, symbol, text, legend, reasons, confirm, act }) {
  const dialog = /** @type {HTMLDialogElement} */ (make('dialog', 'ask'));
  const id = `ask-${++serial}`;
  let picked = '';
  const note = /** @type {HTMLInputElement} */ (make('input'));
  Object.assign(note, { id: `${id}-note`, maxLength: 120, autocomplete: 'off' });
  const send = /** @type {HTMLButtonElement} */ (make('button', 'btn p', [icon(symbol), confirm]));
  const wrong = make('p', 'err');
  wrong.setAttribute('role', 'alert');
  const why = () => [picked, note.value.trim()].filter(Boolean).join(' · ');
  const ready = () => {
    send.disabled = !why();
  };
  const chips = reasons.map((reason) => {
    const chip = make('button', 'fchip', [reason]);
    chip.setAttribute('type', 'button');
    chip.setAttribute('aria-pressed', 'false');
    chip.addEventListener('click', () => {
      picked = picked === reason ? '' : reason;
      for (const other of chips) other.setAttribute('aria-pressed', String(other.textContent === picked));
      ready();
    });
    return chip;
  });
  const head = make('h2', '', [title]);
  head.id = `${id}-title`;
  dialog.setAttribute('aria-labelledby', head.id);
  const label = make('label', 'f', [reasons.length ? t('exp.note') : legend]);
  label.setAttribute('for', note.id);
  const body = make('div', 'body', [
    ...(text ? [make('p', 'small', [text])] : []),
    ...(reasons.length ? [make('fieldset', '', [make('legend', '', [legend]), make('div', 'picks', chips)])] : []),
    make('div', '', [label, note]),
    wrong,
  ]);
  const back = make('button', 'btn', [t('exp.back')]);
  back.addEventListener('click', () => dialog.close());
  dialog.append(make('header', '', [icon(symbol), head]), body, make('footer', '', [back, send]));
  let done = false;
  send.addEventListener('click', async () => {
    send.disabled = true;
    try {
      await act(why());
      done = true;
      dialog.close();
    } catch (error) {
      const { why: reason, title: said } = /** @type {import('./api.js').ApiError} */ (error);
      wrong.textContent = t('exp.failed', { why: reason || said || t('net.offline') });
      ready();
    }
  });
  note.addEventListener('input', ready);
  note.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !send.disabled) send.click();
  });
  ready();
  document.body.append(dialog);
  dialog.showModal();
  (chips[0] || note).focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(done);
    });
  });
}

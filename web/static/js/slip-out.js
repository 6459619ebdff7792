// The way out of another app's browser: nothing is sent and nothing spent here, the whole address goes along.

import { t } from './i18n.js';

/** @param {string} secret */
export function offerWayOut(secret) {
  const address = `${location.origin}/p/moi#${secret}`;
  const link = /** @type {HTMLInputElement} */ (document.getElementById('link'));
  const copy = /** @type {HTMLButtonElement} */ (document.getElementById('copy'));
  link.value = address;
  for (const other of document.querySelectorAll('#out [data-keep]')) {
    /** @type {HTMLAnchorElement} */ (other).href += `#${secret}`;
  }
  link.addEventListener('focus', () => link.select());
  copy.addEventListener('click', async () => {
    link.select();
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      if (!document.execCommand('copy')) return; // old views have nothing else; the field stays selected for the finger
    }
    const words = /** @type {HTMLElement} */ (copy.querySelector('span'));
    words.textContent = t('slip.out.copied');
  });
  if (/Android/.test(navigator.userAgent)) {
    // Android takes what stands before the last `#Intent;` for the address, fragment included (Intent.parseUri).
    const leave = /** @type {HTMLAnchorElement} */ (document.getElementById('leave'));
    const scheme = location.protocol.slice(0, -1);
    leave.href = `intent://${location.host}/p/moi#${secret}#Intent;scheme=${scheme};action=android.intent.action.VIEW;end`;
    leave.hidden = false;
  }
}

if (!document.getElementById('in')) offerWayOut(location.hash.slice(1));

// The class as an icon on the home screen: offered after the second good viewing, never inside another app or the app
// itself, and not again for a month after "later".

import { icon, make } from './dom.js';
import { t } from './i18n.js';

const AGAIN_MS = 30 * 86400000;
const ios = /iPhone|iPad|iPod/.test(navigator.userAgent);

/** @returns {boolean} whether this page runs as the app already */
const standalone = () =>
  matchMedia('(display-mode: standalone)').matches || /** @type {any} */ (navigator).standalone === true;

/** A manifest whose start address hands this device over: iOS gives the app a store of its own, without our key. */
function handOver() {
  const link = /** @type {HTMLLinkElement} */ (document.querySelector('link[rel=manifest]'));
  link.crossOrigin = 'use-credentials';
  link.href = '/p/app.webmanifest';
}

/** @param {any} prompt what Chromium handed us to ask with, if it did */
export function offerInstall(prompt) {
  const refused = Number(localStorage.getItem('no-icon') || 0);
  if (standalone() || Date.now() - refused < AGAIN_MS || (!ios && !prompt) || document.querySelector('.add')) return;
  const sheet = make('section', 'add', [make('h2', '', [t('install.title')]), make('p', 'mut', [t('install.more')])]);
  sheet.setAttribute('role', 'dialog');
  sheet.setAttribute('aria-label', t('install.title'));
  const later = make('button', 'bt', [t('install.later')]);
  later.addEventListener('click', () => {
    localStorage.setItem('no-icon', String(Date.now()));
    sheet.remove();
  });
  if (ios) {
    handOver();
    const steps = make('ol', 'z', [
      make('li', '', [make('b', '', ['1']), icon('share'), make('span', '', [t('install.ios.1')])]),
      make('li', '', [make('b', '', ['2']), make('span', '', [t('install.ios.2')])]),
    ]);
    sheet.append(steps, make('p', 'mut', [t('install.ios.soon')]), later);
  } else {
    const add = make('button', 'bt p', [t('install.add')]);
    add.addEventListener('click', () => {
      prompt.prompt();
      sheet.remove();
    });
    sheet.append(make('div', 'r', [later, add]));
  }
  document.body.append(sheet);
}

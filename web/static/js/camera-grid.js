// <camera-grid>: all tiles at once. Invariants: tiles keep the order the box gave them, whatever happens to
// a camera; as many columns as show every tile without scrolling, as large as possible; trouble rises in the
// strip above, never by moving tiles; recording and viewing are told apart.

import { listen, postJson } from './api.js';
import { icon, make } from './dom.js';
import { clock, duration, now, pageData, setNow, t } from './i18n.js';
import './live-view.js';
import { showNeeds } from './needs.js';
import { LARGE_PX } from './stream-choice.js';
import { share } from './wall.js';

const GAP_PX = 14;
const MARGIN_PX = 14;
const PHONE_PX = 760;
const RELOAD_AFTER_MS = 30000;
const SURE_MS = 6000;
/** What the box says of a camera that it has no picture of. */
const LOST = ['down', 'login_refused', 'frozen', 'silent', 'swapped'];
/** Colour and icon of each trouble; "norec" is the alarm. */
const TROUBLE = {
  norec: ['bad', 'disk-off'],
  down: ['bad', 'video-off'],
  login_refused: ['bad', 'lock'],
  swapped: ['bad', 'alert'],
  frozen: ['bad', 'image'],
  silent: ['warn', 'gauge'],
  unknown: ['warn', 'alert'],
};

/**
 * @param {number} count @param {number} width @param {number} height
 * @param {number} caption what a tile needs below its picture
 * @returns {number} columns
 */
export function fit(count, width, height, caption) {
  let [best, size] = [4, 0];
  for (let columns = 1; columns <= 8; columns += 1) {
    const tile = (width - GAP_PX * (columns - 1)) / columns;
    const rows = Math.ceil(count / columns);
    const needed = rows * ((tile * 9) / 16 + caption) + GAP_PX * (rows - 1);
    if (needed <= height && tile > size) [best, size] = [columns, tile];
  }
  return best;
}

class CameraGrid extends HTMLElement {
  #filter = '';
  #large = false;
  #started = performance.now();
  #sureUntil = 0;
  #lostAt = 0;
  /** @type {any} */ #state = null;

  connectedCallback() {
    addEventListener('resize', this.#fit);
    this.#controls();
    share(this.#tiles.map((tile) => tile.dataset.camera || ''));
    this.#show(pageData('state'));
    listen('/api/events', {
      cameras: (state) => this.#show(state),
      signed_out: () => location.assign('/vao'),
    }, (since) => this.#box(since));
    document.addEventListener('live-signed-out', () => location.assign('/vao'), { once: true });
    document.addEventListener('live-state', () => this.#fit(), { once: true });
    document.fonts?.ready.then(this.#fit);
  }

  /** @returns {HTMLElement[]} */
  get #tiles() {
    return /** @type {HTMLElement[]} */ ([...this.querySelectorAll('.tile')]);
  }

  #controls() {
    for (const chip of document.querySelectorAll('[data-filter]')) {
      chip.addEventListener('click', () => {
        this.#filter = /** @type {HTMLElement} */ (chip).dataset.filter || '';
        for (const other of document.querySelectorAll('[data-filter]')) {
          other.setAttribute('aria-pressed', String(other === chip));
        }
        this.#sift();
      });
    }
    for (const button of document.querySelectorAll('[data-size]')) {
      button.addEventListener('click', () => {
        this.#large = /** @type {HTMLElement} */ (button).dataset.size === 'large';
        for (const other of document.querySelectorAll('[data-size]')) {
          other.setAttribute('aria-pressed', String(other === button));
        }
        this.#fit();
      });
    }
    document.getElementById('full')?.addEventListener('click', () => this.requestFullscreen());
    document.getElementById('sharing')?.addEventListener('click', (event) => this.#switch(event));
  }

  #fit = () => {
    if (innerWidth <= PHONE_PX) return;
    const tiles = this.#tiles.filter((tile) => !tile.hidden);
    const view = /** @type {HTMLElement|null} */ (tiles[0]?.querySelector('live-view'));
    if (!view) return;
    const caption = tiles[0].offsetHeight - view.offsetHeight;
    const height = innerHeight - (this.getBoundingClientRect().top + scrollY) - MARGIN_PX;
    this.style.setProperty('--cols', String(this.#large ? 2 : fit(tiles.length, this.clientWidth, height, caption)));
    this.#streams();
  };

  /** A tile that shows more than the small stream holds gets the large one. */
  #streams() {
    for (const tile of this.#tiles) {
      const view = /** @type {HTMLElement} */ (tile.querySelector('live-view'));
      const stream = !tile.hidden && view.offsetWidth * devicePixelRatio >= LARGE_PX ? 'main' : 'sub';
      if (view.getAttribute('stream') !== stream) view.setAttribute('stream', stream);
    }
  }

  /** @param {any} state */
  #show(state) {
    if (!state) return;
    this.#state = state;
    setNow(state.now_ms);
    const tiles = new Map(this.#tiles.map((tile) => [tile.dataset.camera, tile]));
    const known = state.cameras.every((/** @type {any} */ camera) => tiles.has(camera.id));
    if ((!known || tiles.size !== state.cameras.length) && performance.now() - this.#started > RELOAD_AFTER_MS) {
      location.reload();
      return;
    }
    for (const camera of state.cameras) {
      const tile = tiles.get(camera.id);
      if (tile) this.#tile(tile, camera);
    }
    showNeeds(state.needs);
    this.#summary();
    this.#strip();
    this.#sharing();
    this.#sift();
  }

  /** @param {HTMLElement} tile @param {any} camera */
  #tile(tile, camera) {
    const view = /** @type {import('./live-view.js').LiveView} */ (tile.querySelector('live-view'));
    view.setAttribute('why', `cam.state.${camera.trouble === 'ok' ? 'down' : camera.trouble}`);
    view.setAttribute('since', String(camera.since_ms || 0));
    view.toggleAttribute('down', LOST.includes(camera.trouble));
    view.toggleAttribute('norec', camera.trouble === 'norec');
    if (tile.dataset.trouble !== camera.trouble && camera.trouble === 'ok') view.retry();
    tile.dataset.trouble = camera.trouble;
    const note = /** @type {HTMLElement} */ (tile.querySelector('.m'));
    const said = JSON.stringify([camera.trouble, camera.sharing, camera.guardians]);
    if (note.dataset.said === said) return;
    note.dataset.said = said;
    note.classList.toggle('bad', camera.trouble !== 'ok');
    note.replaceChildren(...caption(camera));
  }

  #summary() {
    const { cameras, working, recorder, disk_pct: disk, disks_away: away } = this.#state;
    const parts = [t('grid.count', { n: cameras.length, ok: working }), t(recorder ? 'grid.box_ok' : 'grid.box_lost')];
    if (away) parts.push(t('grid.disk_away'));
    else if (disk !== null) parts.push(t('grid.disk', { n: disk }));
    put('summary', ['', ...parts].join(' · '));
  }

  #strip() {
    const strip = /** @type {HTMLElement} */ (document.getElementById('strip'));
    const said = JSON.stringify([this.#state.troubles, this.#state.recorder, this.#state.disks_away, this.#lostAt, this.#state.cameras.length, this.#state.needs?.phones]) + Math.floor(now() / 60000);
    if (strip.dataset.said === said) return;
    strip.dataset.said = said;
    for (const old of strip.querySelectorAll('.cell')) old.remove();
    if (this.#lostAt) {
      strip.append(cell('div', 'bad', 'alert', t('box.lost'), t('box.lost_more', { time: clock(this.#lostAt) })));
    } else if (!this.#state.troubles.length) {
      const all = t('grid.all_well', { n: this.#state.cameras.length });
      strip.append(cell('div', 'good', 'check-circle', all, t('grid.all_well_more')));
    }
    // A silent recorder is one trouble, not one for each camera.
    if (!this.#state.recorder) strip.append(cell('div', 'bad', 'alert', t('cam.state.unknown'), t('fix.unknown_short')));
    // Neither is a disk that is away: it comes first, for it is why cameras do not record.
    else if (this.#state.disks_away) strip.append(cell('div', 'bad', 'disk-off', t('grid.disk_away_title'), t('grid.disk_check')));
    for (const trouble of this.#state.recorder ? this.#state.troubles : []) {
      const [colour, name] = TROUBLE[/** @type {keyof TROUBLE} */ (trouble.trouble)];
      const since = trouble.since_ms;
      const age = since ? { time: clock(since), dur: duration(now() - since, Math.floor) } : null;
      const when = age ? t('cam.since', age) : t('cam.since_unknown');
      const link = cell('a', colour, name, t(`cam.trouble.${trouble.trouble}`, { name: trouble.name }), when);
      link.setAttribute('href', `/camera/${trouble.id}`);
      strip.append(link);
    }
    const phones = this.#state.needs?.phones;
    if (phones) {
      const link = cell('a', 'ask', 'hourglass', t('need.phones', { n: phones }), t('need.phones.go'));
      link.setAttribute('href', '/phu-huynh/cho-duyet');
      strip.append(link);
    }
    this.#fit();
  }

  /** Says that what stands here may be old, or takes that back. @param {number} since UTC ms, 0 = the box answers */
  #box(since) {
    this.#lostAt = since;
    this.#strip();
    if (since) put('summary', ` · ${t('grid.box_gone')}`);
    else this.#summary();
  }

  #sharing() {
    const { watching, sharing } = this.#state;
    put('watching', sharing.stopped ? t('share.stopped') : t('share.watching', { n: watching }));
    const still = sharing.since_ms ? t('share.since', { time: clock(sharing.since_ms) }) : t('share.records');
    put('watching-more', sharing.stopped ? still : t('share.more'));
    const button = document.getElementById('sharing');
    if (!button || performance.now() < this.#sureUntil) return;
    button.classList.remove('sure');
    button.classList.toggle('d', !sharing.stopped);
    button.parentElement?.classList.toggle('warn', sharing.stopped);
    button.textContent = t(sharing.stopped ? 'share.resume' : 'share.stop');
  }

  /** Two taps: the first asks, the second acts. @param {Event} event */
  async #switch(event) {
    const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
    const { sharing, watching } = this.#state;
    if (performance.now() >= this.#sureUntil) {
      this.#sureUntil = performance.now() + SURE_MS;
      button.classList.add('sure');
      button.textContent = t(sharing.stopped ? 'share.resume_sure' : 'share.stop_sure', { n: watching });
      setTimeout(() => this.#sharing(), SURE_MS + 50);
      return;
    }
    this.#sureUntil = 0;
    button.disabled = true;
    try {
      this.#show(await postJson(sharing.stopped ? '/api/sharing/resume' : '/api/sharing/stop'));
    } catch (error) {
      put('watching-more', t('err.unknown', { code: error instanceof Error ? error.message : '' }));
    } finally {
      button.disabled = false;
    }
  }

  #sift() {
    for (const tile of this.#tiles) {
      const bad = tile.dataset.trouble !== 'ok';
      tile.hidden = this.#filter === '!' ? !bad : Boolean(this.#filter) && tile.dataset.group !== this.#filter;
    }
    const count = this.#state.cameras.filter((/** @type {any} */ camera) => camera.trouble !== 'ok').length;
    put('bad-count', String(count));
    this.#fit();
  }
}

/** @param {any} camera @returns {Node[]} what stands beside a camera's name */
export function caption(camera) {
  if (LOST.includes(camera.trouble)) return [words('', 'cam.how')]; // the picture's place says what
  if (camera.trouble !== 'ok') return [words('', `cam.note.${camera.trouble}`)];
  if (camera.sharing === 'paused') return [icon('pause', 's'), words('lb', 'share.paused')];
  if (camera.sharing === 'staff') return [icon('lock', 's'), words('lb', 'share.staff')];
  return [icon('eye', 's'), document.createTextNode(String(camera.guardians)), words('lb', 'live.watching')];
}

/** @param {string} tag @param {string} colour @param {string} name icon @param {string} title @param {string} more */
const cell = (tag, colour, name, title, more) =>
  make(tag, `cell ${colour}`, [icon(name), make('span', 'tx', [make('b', '', [title]), make('span', 'num', [more])])]);

/** @param {string} className @param {string} key */
const words = (className, key) => make('span', className, [t(key)]);

/** @param {string} id @param {string} text */
function put(id, text) {
  const element = document.getElementById(id);
  if (element && element.textContent !== text) element.textContent = text;
}

customElements.define('camera-grid', CameraGrid);

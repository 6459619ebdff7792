// What stands in the picture's place when there is no picture, and the short notes over it. Invariant: says what is
// wrong, what is still true and what can be done; a note leaves by itself, a plate does not.

import { icon, make } from './dom.js';
import { clock, clockSeconds, t } from './i18n.js';
import { causeWords } from './review-timeline.js';
import { MINUTE_MS } from './zone-day.js';

const NOTE_MS = 8000;
const ICONS = { opening: '', empty: 'image', denied: 'lock', locked: 'key', disk: 'disk-off', server: 'alert', gone: 'alert', codec: 'video-off', corrupt: 'alert' };

export class ReviewPlate {
  #timer = 0;
  kind = '';

  /** @param {HTMLElement} root @param {HTMLElement} note @param {() => void} again */
  constructor(root, note, again) {
    [this.root, this.note, this.again] = [root, note, again];
  }

  /** @param {keyof ICONS} kind @param {{why?: string, code?: string}} [more] @param {boolean} [over] leave the picture to be seen */
  show(kind, { why = '', code = '' } = {}, over = false) {
    const said = `${kind} ${why} ${code}`;
    if (this.kind === said && !this.root.hidden) return;
    this.kind = said;
    this.root.hidden = false;
    this.root.classList.toggle('over', over);
    if (kind === 'opening') {
      this.root.replaceChildren(make('span', 'spin'), make('span', '', [t('live.opening')]));
      return;
    }
    const parts = [icon(ICONS[kind]), make('b', '', [t(`review.state.${kind}`)]), make('p', '', [why || t(`review.state.${kind}.more`)])];
    if (code) parts.push(make('p', 'small num', [t('err.code', { code })]));
    if (kind === 'locked') {
      const link = make('a', 'btn p', [icon('key'), t('review.unlock')]);
      link.setAttribute('href', '/khoa');
      parts.push(link);
    } else if (['denied', 'disk', 'server', 'gone', 'corrupt'].includes(kind)) {
      const button = make('button', 'btn', [icon('refresh'), t('review.again')]);
      button.addEventListener('click', () => this.again());
      parts.push(button);
    }
    this.root.replaceChildren(...parts);
  }

  hide() {
    this.root.hidden = true;
    this.kind = '';
  }

  /** @param {string} text @param {boolean} [stays] */
  say(text, stays = false) {
    clearTimeout(this.#timer);
    if (this.note.textContent !== text) this.note.textContent = text;
    this.note.hidden = !text;
    if (text && !stays) this.#timer = setTimeout(() => this.say(''), NOTE_MS);
  }

  /** @param {number} from @param {number} to what was leapt over @param {import('./day-facts.js').DayFacts} facts */
  leapt(from, to, facts) {
    const gap = facts.gapBetween(from, to);
    if (!gap && facts.first > from) return this.say(t('review.first', { time: clockSeconds(to) }));
    const [a, b] = gap ? [gap.start_ms, Math.max(gap.end_ms, to)] : [from, to];
    const time = b - a < 10 * MINUTE_MS ? clockSeconds : clock;
    this.say(t('review.gap.leapt', { from: time(a), to: time(b), cause: gap ? causeWords(gap.cause) : t('review.gap.unknown') }));
  }
}

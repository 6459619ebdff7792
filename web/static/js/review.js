// The review page of one camera: puts player, timeline, calendar, span and states together. Invariants: the address
// names the instant that is looked at; every 5 s the box is asked again, so that a right that went takes the picture
// with it even while nothing plays; no failure is the end.

import { untouched } from './activity.js';
import { listen } from './api.js';
import './clock.js';
import { DayFacts } from './day-facts.js';
import { icon, make } from './dom.js';
import { clock, clockSeconds, now, pageData, setNow, t } from './i18n.js';
import { ListPlayer } from './list-player.js';
import { feedable } from './mse-sink.js';
import { PictureZoom } from './picture-zoom.js';
import { PlaybackApi } from './playback-api.js';
import { kindOf } from './playback-trouble.js';
import { ReviewCalendar } from './review-calendar.js';
import { listenKeys } from './review-keys.js';
import { ReviewPlate } from './review-plate.js';
import { ReviewPlayer } from './review-player.js';
import { ReviewTimeline, causeWords } from './review-timeline.js';
import { mountSpanActions } from './span-actions.js';
import { SpanSelect } from './span-select.js';
import { dayName, dayOf, dayStart, exactly } from './zone-day.js';

const EVERY_MS = 5000;
const WHOLE_EVERY = 24;
const TWO_MINUTES_MS = 120000;
/** This near to now, what plays is the newest there is. */
const NEWEST_MS = 15000;
const ADDRESS_MS = 1000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = pageData('review-data');
const api = new PlaybackApi(page.camera);
const video = /** @type {HTMLVideoElement} */ (part('video'));
const scrubbed = /** @type {HTMLImageElement} */ (part('scrubbed'));
const first = page.at ?? now() - TWO_MINUTES_MS;
const timeline = new ReviewTimeline(part('timeline'), api, first);
const player = feedable() ? new ReviewPlayer(video, api, () => timeline.facts) : new ListPlayer(video, api, () => timeline.facts);
const plate = new ReviewPlate(part('plate'), part('note'), () => restart());
const calendar = new ReviewCalendar(part('calendar'), /** @type {HTMLButtonElement} */ (part('day-name')), api);
const span = new SpanSelect(part('span'), timeline.near, () => [timeline.facts.start, Math.min(timeline.facts.end, now())]);
const zoom = new PictureZoom(part('stage'), video, (scale) => {
  part('closer').setAttribute('aria-pressed', String(scale > 1));
  player.enlarge(scale);
});
let stream = 'main';
let loading = new AbortController();
let addressed = 0;
/** @type {{from: number, to: number}|null} leapt over before the day's facts came */
let leap = null;
/** A disk of the box is away, and with it whatever lies on it: then nothing found is not nothing recorded. */
let diskAway = Boolean(page.disks_away);

/** @param {string} id @param {string} text */
function put(id, text) {
  if (part(id).textContent !== text) part(id).textContent = text;
}

/** Reads the day's facts; says what is wrong only if nothing plays. @param {number} ms */
async function learn(ms) {
  const [start, end] = dayOf(ms);
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  try {
    let answer = await api.timeline(start, end, stream, signal);
    if (!answer.spans.length && stream === 'main') {
      const small = await api.timeline(start, end, 'sub', signal);
      if (small.spans.length) [stream, answer] = ['sub', small];
    }
    const facts = new DayFacts(start, end, answer);
    if (!facts.holds.length) facts.holds = await api.holds();
    if (signal.aborted) return;
    timeline.know(facts);
    list(facts);
    if (leap) sayLeap(leap);
    if (!plate.kind && player.stream) timeline.film.fill(facts);
  } catch (error) {
    const kind = kindOf(error);
    if (kind === 'denied' || kind === 'signin' || kind === 'gone') trouble({ kind, error }, true);
  }
}

/** Says what was leapt over, once it is known why. @param {{from: number, to: number}} over */
function sayLeap(over) {
  leap = timeline.facts.known ? null : over;
  if (!leap) plate.leapt(over.from, over.to, timeline.facts);
}

/** Asks what is new, in few bytes; the answer to a page that plays nothing also says that it still may. @param {number} turn */
async function look(turn) {
  const { facts } = timeline;
  if (document.hidden) return;
  if (!facts.known || turn % WHOLE_EVERY === 0) return void (await learn(player.position));
  const to = Math.min(facts.end, now());
  const from = Math.max(facts.start, to - TWO_MINUTES_MS, Math.min(facts.newest ?? to, to - EVERY_MS));
  try {
    const answer = await api.timeline(Math.max(facts.start, from), to, stream);
    if (timeline.facts !== facts) return;
    facts.extend(answer);
    timeline.paint();
    list(facts);
    if (!plate.kind && player.stream) timeline.film.fill(facts);
  } catch (error) {
    const kind = kindOf(error);
    if (kind === 'denied' || kind === 'signin' || kind === 'gone') trouble({ kind, error }, true);
  }
}

/** @param {DayFacts} facts */
function list(facts) {
  const { recorded, due, missing } = facts.sums(now());
  const percent = recorded / due < 0.99 ? Math.floor((100 * recorded) / due) : 100;
  put('share', recorded || !facts.known ? t('review.share', { n: percent, dur: exactly(Math.round(recorded / 60000) * 60000) }) : t('review.state.empty'));
  const gaps = facts.gaps.length ? t('review.missing', { n: facts.gaps.length, dur: exactly(missing) }) : facts.known && recorded ? t('review.no_gaps') : '';
  put('missing', diskAway ? t('review.disk_away') : gaps);
  put('day-from', recorded && facts.first - facts.start > 60000 ? t('review.first', { time: clock(facts.first) }) : '');
  part('unsure').replaceChildren(...facts.unsure.map((item) =>
    make('li', '', [t(`review.unsure.${item.time_quality}`, { from: clock(item.start_ms), to: clock(item.end_ms) })])));
  const said = JSON.stringify(facts.gaps);
  if (part('gaps').dataset.said === said) return;
  part('gaps').dataset.said = said;
  part('gaps').replaceChildren(...[...facts.gaps].sort((a, b) => a.start_ms - b.start_ms).map((gap) => {
    const what = t('review.gap.row', { dur: exactly(gap.end_ms - gap.start_ms), cause: causeWords(gap.cause) });
    const button = make('button', '', [make('b', 'num', [clock(gap.start_ms)]), icon('alert', 's'), make('span', '', [what])]);
    button.addEventListener('click', () => go(gap.start_ms - 5000));
    return make('li', '', [button]);
  }));
}

/** Shows an instant, of whatever day. @param {number} ms */
function go(ms) {
  const { facts } = timeline;
  // Beyond the newest picture of today there is none yet: that one is what is meant.
  const newest = facts.spans.length && facts.end > now() && ms >= facts.start ? Math.max(facts.last - 500, player.position) : Infinity;
  const at = Math.min(ms, now() - 500, newest);
  if (dayStart(at) !== timeline.facts.start) {
    timeline.know(new DayFacts(...dayOf(at), null));
    span.clear();
    learn(at);
  }
  leap = null;
  plate.say('');
  if (!player.stream) plate.show('opening');
  player.seek(at);
  timeline.place(at);
  timeline.say();
  calendar.choose(timeline.facts.start);
  put('day-words', dayName(at));
  /** @type {HTMLButtonElement} */ (part('day-next')).disabled = timeline.facts.end > now();
}

/** After a refusal or a lost box: begin as if the page had just come. */
function restart() {
  plate.show('opening');
  learn(player.position);
  player.seek(player.position);
}

/** @param {{kind: string, error: any}} what @param {boolean} [stop] */
function trouble({ kind, error }, stop = false) {
  if (kind === 'signin') return location.assign('/vao');
  if (stop) player.stop();
  const shown = /** @type {any} */ (kind === 'gone' && stop ? 'denied' : kind);
  scrubbed.hidden = true;
  plate.show(shown, { why: kind === 'denied' ? error.why : '', code: kind === 'codec' ? '' : error.code || '' }, kind === 'server' && Boolean(player.stream));
  part('mode').hidden = true;
}

function onTime() {
  const at = player.position;
  put('at', clockSeconds(at));
  if (dayStart(at) !== timeline.facts.start && !video.seeking) {
    timeline.know(new DayFacts(...dayOf(at), null));
    put('day-words', dayName(at));
    learn(at);
  }
  timeline.place(at);
  const newest = now() - at < NEWEST_MS;
  part('to-live').classList.toggle('p', newest);
  put('mode-words', t(newest ? 'review.newest' : 'nav.review'));
  addressed ||= setTimeout(() => {
    addressed = 0;
    history.replaceState(null, '', `?luc=${Math.round(player.position)}`);
  }, ADDRESS_MS);
}

/** @param {[number, number]} span @returns {string} about how much the main stream takes there; nothing until it was read */
function sizeOf([from, to]) {
  const recorded = timeline.facts.recordedIn(from, to);
  const pace = player instanceof ReviewPlayer ? player.indexes.main.pace : 0;
  return pace ? ` · ${t('review.span.size', { n: Math.max(1, Math.round((pace * recorded) / 1e9)) })}` : '';
}

/** @param {boolean} wants */
function drawPlay(wants) {
  const says = t(wants ? 'review.pause' : 'review.play');
  if (part('play').getAttribute('aria-label') === says) return;
  part('play').setAttribute('aria-label', says);
  part('play').replaceChildren(icon(wants ? 'pause' : 'play'));
}

/** @param {string} name @param {(detail: any) => void} handle */
const on = (name, handle) => player.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail));
on('time', onTime);
on('playing', () => drawPlay(player.wants));
on('trouble', (what) => trouble(what));
on('gap', (gap) => sayLeap(gap));
on('well', () => {
  plate.hide();
  [scrubbed.hidden, part('mode').hidden] = [true, false];
  timeline.film.fill(timeline.facts);
});
on('frame', ({ took }) => document.dispatchEvent(new CustomEvent('review-frame', { detail: { took } })));
on('newest', ({ nothing }) => {
  if (nothing) {
    part('mode').hidden = true;
    plate.show(diskAway ? 'disk' : 'empty');
  } else plate.say(t('review.at_newest'), true);
});
on('codec', ({ config, none }) => {
  if (none) plate.show('codec');
  else plate.say(t('review.codec_sub', { codec: config.mime.includes('hvc1') || config.mime.includes('hev1') ? 'H.265' : config.mime }));
});
on('stream', ({ stream: name, config }) => put('quality', t(`review.stream.${name}`, { size: `${config.width}×${config.height}` })));
on('stall', ({ stalled }) => part('stage').classList.toggle('stalled', stalled));

timeline.addEventListener('seek', (event) => go(/** @type {CustomEvent} */ (event).detail.ms));
timeline.addEventListener('scrub', (event) => put('at', clockSeconds(/** @type {CustomEvent} */ (event).detail.ms)));
timeline.addEventListener('scrubbed', (event) => {
  scrubbed.src = /** @type {CustomEvent} */ (event).detail.url;
  scrubbed.hidden = false;
});
calendar.addEventListener('day', (event) => {
  const { day } = /** @type {CustomEvent} */ (event).detail;
  go(day + (player.position - timeline.facts.start));
});
let mounted = '';
span.addEventListener('change', () => {
  timeline.choose(span.span);
  part('span-off').hidden = part('span-actions').hidden = !span.span;
  part('span-hint').hidden = part('span-here').hidden = Boolean(span.span);
  put('span-length', span.span ? span.length + sizeOf(span.span) : '');
  put('span-em', span.span ? span.length : '');
  const [from_ms, to_ms] = span.span ?? [0, 0];
  const chosen = span.span ? `${from_ms}-${to_ms}` : '';
  if (chosen && chosen !== mounted) mountSpanActions(part('span-actions'), { camera: page.camera, name: page.name, from_ms, to_ms });
  mounted = chosen; // mounted anew for the same span, what was just said would go
});

part('span-actions').addEventListener('held', async () => {
  timeline.facts.holds = await api.holds();
  timeline.paint();
});
untouched(() => plate.say(t('review.untouched'), true), () => plate.say(''));
part('play').addEventListener('click', () => player.play(!player.wants));
part('back').addEventListener('click', () => go(player.position - 10000));
part('frame-back').addEventListener('click', () => player.step(-1));
part('frame-on').addEventListener('click', () => player.step(1));
part('closer').addEventListener('click', () => zoom.next());
part('full').addEventListener('click', () => part('stage').requestFullscreen());
part('day-before').addEventListener('click', () => go(dayStart(timeline.facts.start, -1) + (player.position - timeline.facts.start)));
part('day-next').addEventListener('click', () => go(dayStart(timeline.facts.start, 1) + (player.position - timeline.facts.start)));
part('span-here').addEventListener('click', () => span.around(player.position));
part('span-off').addEventListener('click', () => span.clear());
for (const button of document.querySelectorAll('[data-rate]')) {
  button.addEventListener('click', () => {
    for (const other of document.querySelectorAll('[data-rate]')) other.setAttribute('aria-pressed', String(other === button));
    player.speed(Number(/** @type {HTMLElement} */ (button).dataset.rate));
  });
}
listenKeys([part('stage'), part('day-bar'), part('near-bar')], {
  by: (ms) => go(timeline.limit(player.position + ms)),
  first: () => go(timeline.facts.next(timeline.facts.start) === Infinity ? timeline.facts.start : timeline.facts.next(timeline.facts.start)),
  last: () => go(timeline.facts.last - 4000),
  toggle: () => player.play(!player.wants),
  frame: (n) => player.step(n),
  mark: (n) => span.mark(n, player.position),
  zoom: (by) => timeline.zoomBy(by),
});
listen('/api/events', { cameras: (state) => [setNow(state.now_ms), diskAway = Boolean(state.disks_away)], signed_out: () => location.assign('/vao') });
let looks = 0;
setInterval(() => look((looks += 1)), EVERY_MS);
let resume = false;
document.addEventListener('visibilitychange', () => {
  if (document.hidden) resume = player.wants;
  if (resume) player.play(!document.hidden);
});
addEventListener('pagehide', () => api.close());
/** @type {any} */ (part('stage')).stats = () => player.stats();
player.wants = true;
drawPlay(true);
learn(first);
go(first);

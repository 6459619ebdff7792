// Recorded pictures in one video element: any instant at once, then on, over gaps, up to the newest second.
// Invariants: a seek aborts all that the one before asked for; at most AHEAD_S are fetched ahead and BEHIND_S kept
// behind; pictures go from the screen when the right to them goes; no failure is the end, all but a refusal is tried
// again by itself. Events: time, frame, gap, newest, trouble, well, stream, playing.

import { GopIndex } from './gop-index.js';
import { now } from './i18n.js';
import { MseSink, playable } from './mse-sink.js';
import { TAKES_PICTURE, againIn, kindOf } from './playback-trouble.js';
import { LineGauge, chooseStream } from './stream-choice.js';
import { HOUR_MS, dayOf, dayStart } from './zone-day.js';

/** Fetched ahead at normal speed (s): three groups of two seconds. */
const AHEAD_S = 6;
const MOST_AHEAD_S = 30;
const TAIL_MS = 1000;
const LOOK_MS = 120;
/** A hole this long is worth a word (ms). */
const WORTH_SAYING_MS = 1500;
const SETTLE_MS = 400;
const MAX_HOLES = 5;
const PAST_MIDNIGHT_MS = 10000;
/** This little after the newest picture is the newest picture (ms). */
const NEAR_MS = 20000;
/** A place this near the end of a group may lie behind its last picture (s). */
const EDGE_S = 0.02;

/** @param {number} ms @param {AbortSignal} signal */
const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => [clearTimeout(timer), resolve(undefined)], { once: true });
});

export class ReviewPlayer extends EventTarget {
  #abort = new AbortController();
  /** @type {MseSink|null} */ #sink = null;
  /** @type {{start: number, end: number}[]} what was appended and not yet played */ #ahead = [];
  #cursor = 0;
  #gauge = new LineGauge();
  #failures = 0;
  #holes = 0;
  #frameS = 1 / 15;
  #mediaS = 0;
  #settling = 0;
  /** Between the wish for an instant and its picture: the element's time means nothing. */ #placing = true;
  #inits = new Map();
  #lacking = new Set();
  position = 0;
  stream = '';
  rate = 1;
  zoom = 1;
  wants = false;

  /**
   * @param {HTMLVideoElement} video @param {import('./playback-api.js').PlaybackApi} api
   * @param {() => import('./day-facts.js').DayFacts} facts of the day that is looked at
   */
  constructor(video, api, facts) {
    super();
    [this.video, this.api, this.facts] = [video, api, facts];
    this.indexes = { main: new GopIndex(api, 'main'), sub: new GopIndex(api, 'sub') };
    video.addEventListener('waiting', () => this.#tick(true));
    setInterval(() => this.#tick(false), LOOK_MS);
    new ResizeObserver(() => this.#reconsider()).observe(video);
    this.#frames();
  }

  /** @param {string} name @param {any} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #frames() {
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      const step = mediaTime - this.#mediaS;
      if (step > 0.01 && step < 0.4) this.#frameS = step;
      this.#mediaS = mediaTime;
      this.#frames();
    });
  }

  /** @returns {string} */
  #choose() {
    const width = this.video.clientWidth * devicePixelRatio;
    const thin = this.#gauge.thin(performance.now());
    return chooseStream({ paused: !this.wants, zoom: this.zoom, width, rate: this.rate, thin, lacking: this.#lacking });
  }

  /** Shows an instant; whatever was under way is given up. @param {number} ms */
  seek(ms) {
    this.#failures = this.#holes = 0;
    this.position = Math.max(0, ms);
    this.#tell('time');
    return this.#start();
  }

  /** @param {boolean} [fresh] take the pictures anew though they are there */
  async #start(fresh = false) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#placing = true;
    const { signal } = this.#abort;
    try {
      await this.#show(this.position, signal, fresh);
      if (!signal.aborted) await this.#pump(signal);
    } catch (error) {
      await this.#failed(error, signal);
    }
  }

  /** @param {unknown} error @param {AbortSignal} signal */
  async #failed(error, signal) {
    const kind = kindOf(error);
    if (signal.aborted || kind === 'aborted') return;
    this.#failures += 1;
    if (kind === 'gone' || kind === 'corrupt') for (const index of Object.values(this.indexes)) index.forget();
    if (TAKES_PICTURE.includes(kind)) this.stop();
    const mine = this.#abort.signal;
    this.#tell('trouble', { kind, error });
    const wait = againIn(kind, this.#failures, Math.random());
    if (wait === Infinity) return;
    await pause(wait, mine);
    if (!mine.aborted) await this.#start(kind !== 'server');
  }

  /** Ends playing and takes the pictures away. */
  stop() {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.video.pause();
    this.#sink?.close();
    [this.#sink, this.#ahead] = [null, []];
    this.wants = false;
    this.#tell('playing');
  }

  /** @param {number} ms @param {AbortSignal} signal @param {boolean} fresh */
  async #show(ms, signal, fresh) {
    const began = performance.now();
    const stream = this.#choose();
    const same = stream === this.stream && !fresh;
    const there = same && this.#sink?.around(this.#sink.toS(ms));
    if (there && this.#sink) {
      this.video.currentTime = Math.min(this.#sink.toS(ms) + 0.002, there[1] - EDGE_S);
    } else {
      const gop = await this.#find(stream, ms, signal);
      if (!gop || signal.aborted) return;
      if (!playable(gop.config.mime)) return void (await this.#unplayable(gop, signal));
      const sink = await this.#begin(gop, ms, signal);
      if (signal.aborted) return;
      if (!sink) return void (await this.#show(gop.end, signal, true));
      this.video.currentTime = Math.min(sink.toS(Math.max(ms, gop.start)) + 0.002, sink.toS(gop.end) - EDGE_S);
      this.#tell('stream', { stream: gop.stream, config: gop.config });
    }
    this.video.playbackRate = this.rate;
    if (this.wants) this.video.play().catch(() => undefined);
    this.#arrive(signal, began);
  }

  /** Tells when the picture stands there; meanwhile more is fetched, which a place near a group's end waits for.
   * @param {AbortSignal} signal @param {number} began */
  #arrive(signal, began) {
    this.video.addEventListener('seeked', () => {
      if (signal.aborted) return;
      this.#failures = 0;
      this.#placing = false;
      this.#tell('well');
      this.#tell('frame', { took: performance.now() - began });
    }, { once: true, signal });
  }

  /**
   * Puts the first group into the buffer, alone.
   * @param {import('./gop-index.js').Gop} gop @param {number} ms @param {AbortSignal} signal
   * @returns {Promise<MseSink|null>} null = this group cannot be had, the next one may
   */
  async #begin(gop, ms, signal) {
    try {
      const [init, bytes] = await this.#fetch(gop, signal);
      const sink = this.#prepare(ms);
      if (signal.aborted) return sink;
      await sink.clear();
      [this.#ahead, this.#cursor, this.stream] = [[], gop.start, gop.stream];
      await this.#append(gop, init, bytes, signal);
      return sink;
    } catch (error) {
      if (!this.#isHole(error)) throw error;
      return null;
    }
  }

  /** One broken or deleted group is a hole in the day, not the end of it. @param {unknown} error */
  #isHole(error) {
    this.#holes += 1;
    return ['gone', 'corrupt'].includes(kindOf(error)) && this.#holes <= MAX_HOLES;
  }

  /** @param {string} stream @param {number} ms @param {AbortSignal} signal */
  async #find(stream, ms, signal) {
    while (!signal.aborted) {
      for (const name of [stream, stream === 'main' ? 'sub' : 'main']) {
        if (this.#lacking.has(name)) continue;
        const index = this.indexes[/** @type {'main'|'sub'} */ (name)];
        const gop = (await index.at(ms, signal)) ?? (await this.#next(index, ms, signal, PAST_MIDNIGHT_MS));
        if (gop && gop.start - ms > WORTH_SAYING_MS) this.#leapt(ms, gop.start);
        if (gop) return gop;
        // Newer than the newest picture, by the seconds that the box needs to write it: that picture.
        const last = await index.before(ms, signal);
        if (last && ms - last.end < NEAR_MS && index.newest - last.end < NEAR_MS) return last;
      }
      if (!signal.aborted) this.#tell('newest', { nothing: true });
      await pause(3 * TAIL_MS, signal);
    }
    return null;
  }

  /** @param {GopIndex} index @param {number} ms @param {AbortSignal} signal @param {number} [near] to midnight */
  async #next(index, ms, signal, near = Infinity) {
    const [, dayEnd] = dayOf(ms);
    const found = await index.after(ms, dayEnd, signal, (at) => this.facts().next(at));
    // Past midnight the day's facts end: playing looks a little into the next one. Whoever asks for a day wants that day.
    return found ?? (dayEnd < now() && dayEnd - ms < near ? index.after(dayEnd, dayEnd + HOUR_MS, signal) : null);
  }

  /** @param {import('./gop-index.js').Gop} gop @param {AbortSignal} signal */
  async #unplayable(gop, signal) {
    this.#lacking.add(gop.stream);
    this.#tell('codec', { stream: gop.stream, config: gop.config, none: this.#lacking.size > 1 });
    if (this.#lacking.size === 1) return this.#show(this.position, signal, true);
    throw new DOMException('', 'NotSupportedError');
  }

  /** @param {import('./gop-index.js').Gop} gop @param {AbortSignal} signal @returns {Promise<[ArrayBuffer, ArrayBuffer]>} */
  async #fetch(gop, signal) {
    const began = performance.now();
    const key = `${gop.stream} ${gop.config.url}`;
    const init = this.#inits.get(key) ?? this.api.init(gop.start, gop.config.url, signal);
    const both = await Promise.all([init, this.api.media(gop.start, gop.url, gop.offset, gop.size, signal)]);
    if (this.#inits.size > 8) this.#inits.clear();
    this.#inits.set(key, both[0]);
    this.#gauge.heard(performance.now() - began, (gop.end - gop.start) / this.rate, performance.now());
    return both;
  }

  /** @param {number} ms @returns {MseSink} */
  #prepare(ms) {
    const origin = dayStart(ms);
    if (this.#sink && Math.abs(this.#sink.originMs - origin) < 48 * HOUR_MS && this.#sink.originMs <= origin) return this.#sink;
    this.#sink?.close();
    this.#sink = new MseSink(this.video, origin);
    return this.#sink;
  }

  /**
   * @param {import('./gop-index.js').Gop} gop @param {ArrayBuffer} init @param {ArrayBuffer} bytes
   * @param {AbortSignal} signal
   */
  async #append(gop, init, bytes, signal) {
    const sink = /** @type {MseSink} */ (this.#sink);
    await sink.use(`${gop.stream} ${gop.config.url}`, gop.config.mime, init);
    if (!(await sink.append(bytes, () => !signal.aborted))) return;
    this.#ahead.push({ start: gop.start, end: gop.end });
    this.#cursor = gop.end;
  }

  /** @returns {number} how much is there to be played (s) */
  get ahead() {
    this.#ahead = this.#ahead.filter((gop) => gop.end > this.position);
    return this.#ahead.reduce((sum, gop) => sum + gop.end - Math.max(gop.start, this.position), 0) / 1000;
  }

  /** Fetches on, a little ahead of what is played. @param {AbortSignal} signal */
  async #pump(signal) {
    while (!signal.aborted) {
      const wanted = Math.min(MOST_AHEAD_S, AHEAD_S * Math.max(1, this.rate / 2));
      if (this.ahead < wanted) await this.#more(signal);
      else await pause(LOOK_MS, signal);
      await this.#sink?.trim();
    }
  }

  /** @param {AbortSignal} signal */
  async #more(signal) {
    const index = this.indexes[/** @type {'main'|'sub'} */ (this.stream)];
    const gop = await this.#next(index, this.#cursor, signal);
    if (signal.aborted) return;
    if (!gop) {
      if (this.ahead < 0.5) this.#tell('newest', { nothing: false });
      await pause(TAIL_MS, signal);
      return;
    }
    try {
      const [init, bytes] = await this.#fetch(gop, signal);
      if (!signal.aborted) await this.#append(gop, init, bytes, signal);
      this.#holes = this.#failures = 0;
    } catch (error) {
      if (!this.#isHole(error)) throw error;
      this.#cursor = gop.end;
    }
  }

  /** Follows what is played and leaps over what is missing. @param {boolean} waiting */
  #tick(waiting) {
    const sink = this.#sink;
    if (!sink || this.#placing || this.video.seeking || !this.video.readyState) return;
    const at = this.video.currentTime;
    if (this.wants) {
      this.position = sink.toMs(at);
      this.#tell('time');
      const range = sink.around(at);
      const beyond = sink.ranges().find(([start]) => start > (range ? range[1] : at));
      const near = !range || range[1] - at < (waiting || this.video.readyState < 3 ? 1 : 0.06);
      if (beyond && near) {
        const from = range ? range[1] : at;
        this.video.currentTime = beyond[0] + 0.002;
        if ((beyond[0] - from) * 1000 > WORTH_SAYING_MS) this.#leapt(sink.toMs(from), sink.toMs(beyond[0]));
      } else if (this.video.paused && range) {
        this.video.play().catch(() => undefined);
      }
    }
    const stalled = this.wants && this.video.readyState < 3;
    if (stalled !== this.stalled) this.#tell('stall', { stalled });
    this.stalled = stalled;
  }

  /** @param {number} from @param {number} to */
  #leapt(from, to) {
    this.position = Math.max(this.position, to);
    this.#tell('gap', { from, to });
  }

  /** @param {boolean} wants */
  play(wants) {
    this.wants = wants;
    if (wants) this.video.play().catch(() => undefined);
    else this.video.pause();
    this.#tell('playing');
    this.#reconsider();
  }

  /** @param {number} rate */
  speed(rate) {
    this.rate = this.video.playbackRate = rate;
    this.#reconsider();
  }

  /** @param {number} zoom */
  enlarge(zoom) {
    this.zoom = zoom;
    this.#reconsider();
  }

  /** Takes the other stream if it suits better now, once things have settled. */
  #reconsider() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      if (this.#sink && this.stream && !document.hidden && !this.video.seeking && this.#choose() !== this.stream) this.#start(true);
    }, SETTLE_MS);
  }

  /** @param {number} frames forward or back */
  step(frames) {
    if (this.wants) this.play(false);
    if (!this.#sink) return;
    const at = this.#mediaS + (frames + 0.5) * this.#frameS;
    this.seek(this.#sink.toMs(at));
  }

  /** @returns {Record<string, unknown>} figures for tests and the bench */
  stats() {
    const ranges = this.#sink?.ranges() ?? [];
    return { position: this.position, stream: this.stream, buffered_s: ranges.reduce((sum, [a, b]) => sum + b - a, 0), sent: this.api.sent, frame_s: this.#frameS, ahead_s: this.ahead };
  }
}

// Where the views of a page get their video: each over a connection of its own (WHEP), or, on a page of tiles, all over
// one. Each tile is still its own camera with its own session, which begins and ends alone.
//
// Invariants: a camera has the same line for the life of the page, so that no picture of one room can ever stand in
// the tile of another; tiles join in the order they ask in; the first one opens the connection, the last one to leave
// closes it; a connection that is gone is opened anew by whoever needs it next.

import { ApiError, call, postJson } from './api.js';
import { WhepSession } from './whep.js';

/** Lines of one connection. */
export const MOST_TILES = 16;
const TRIES = 3;
const MOST_EARLY = 32;
/** Candidates that come together go together. */
const TRICKLE_MS = 50;
/** A connection that is broken for so long is not waited for. */
const BROKEN_MS = 4000;

/**
 * @typedef {{track: (track: MediaStreamTrack) => void, ended: (reason: string, code: string) => void,
 *   link?: (news: string) => void, turn?: (turn: import('./turns.js').Turn) => void}} On
 *   `ended("")` = the connection failed, or the box has a `code` for it but no reason for people; `link`, `turn`: see whep.js
 * @typedef {{end?: string, code?: string, link?: string, turn?: import('./turns.js').Turn}} News of one session
 * @typedef {object} Video one view's session
 * @property {() => Promise<void>} open throws ApiError or TypeError if the box cannot be reached or refuses
 * @property {() => void} close
 * @property {() => Promise<Record<string, number|string>>} stats
 * @property {(stream: string) => void} want asks for another stream of the camera, which follows without a break
 */

/** @type {Map<string, Wall>} by camera */
const shared = new Map();

/** From now on these cameras share connections. @param {string[]} cameras in view order */
export function share(cameras) {
  shared.clear();
  for (let at = 0; at < cameras.length; at += MOST_TILES) {
    const part = cameras.slice(at, at + MOST_TILES);
    const wall = new Wall(part);
    if (part.length > 1) for (const camera of part) shared.set(camera, wall);
  }
}

/** @param {string} camera @param {string} stream main or sub @param {On} on @returns {Video} */
export function videoOf(camera, stream, on) {
  const wall = shared.get(camera);
  return wall ? new Tile(wall, camera, stream, on) : new WhepSession(`/whep/${camera}?stream=${stream}`, on);
}

/** One view's session on a shared connection. @implements {Video} */
class Tile {
  over = false;
  session = '';
  tag = '';
  /** @type {Connection|null} */ connection = null;
  /** @type {WhepSession|null} where the box takes no wall */ #alone = null;

  /** @param {Wall} wall @param {string} camera @param {string} stream @param {On} on */
  constructor(wall, camera, stream, on) {
    [this.wall, this.camera, this.stream, this.on] = [wall, camera, stream, on];
    this.slot = wall.cameras.indexOf(camera);
  }

  async open() {
    try {
      await this.wall.enter(this);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'offer_refused' || this.over) throw error;
      this.#alone = new WhepSession(`/whep/${this.camera}?stream=${this.stream}`, this.on);
      this.#alone.want(this.stream);
      await this.#alone.open();
    }
    if (this.over) throw new ApiError(0, null);
  }

  close() {
    if (this.over) return;
    this.over = true;
    this.#alone?.close();
    forget(this.camera, this.session);
    this.connection?.leave(this);
  }

  /** @param {News} news what the box says of it */
  hear({ end, code, link, turn }) {
    if (end !== undefined) return this.end(end, code);
    if (link !== undefined) this.on.link?.(link);
    if (turn) this.on.turn?.(turn);
    return undefined;
  }

  /** Told by the box, or by the connection's end. @param {string} reason @param {string} [code] */
  end(reason, code = '') {
    if (this.over) return;
    this.over = true;
    this.connection?.leave(this);
    this.on.ended(reason, code);
  }

  /** @param {string} stream */
  want(stream) {
    this.stream = stream;
    if (this.#alone) this.#alone.want(stream);
    else if (this.session) this.connection?.say({ want: stream, session: this.session });
  }

  async stats() {
    return this.#alone ? this.#alone.stats() : this.connection?.stats(this.slot) || {};
  }
}

/** Cameras that share a connection, one after the other if need be. */
class Wall {
  /** @type {Connection|null} */ #connection = null;

  /** @param {string[]} cameras */
  constructor(cameras) {
    this.cameras = cameras;
  }

  /** @param {Tile} tile */
  async enter(tile) {
    for (let tried = 1; ; tried += 1) {
      const connection = this.#connection;
      if (!connection) return this.#open(tile);
      // Whoever opens it may be refused for its own camera's sake: then the next one tries.
      if (!(await connection.opened)) continue;
      if (tile.over) return undefined;
      try {
        return await connection.join(tile);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'wall_gone' || tried >= TRIES) throw error;
        connection.close();
      }
    }
  }

  /** @param {Tile} tile */
  async #open(tile) {
    const connection = new Connection(this.cameras.length, () => {
      if (this.#connection === connection) this.#connection = null;
    });
    this.#connection = connection;
    await connection.open(tile);
  }
}

/** One RTCPeerConnection with a line for each camera. */
class Connection {
  over = false;
  wall = '';
  /** @type {Set<Tile>} */ #tiles = new Set();
  /** @type {Map<string, News>} what came before the answer which names the session; newest last */ #early = new Map();
  /** @type {RTCIceCandidate[]} */ #late = [];
  #gathering = 0;
  /** @type {RTCDataChannel|null} */ #channel = null;
  #broken = 0;

  /** @param {number} lines @param {() => void} gone called once, when nobody may join any more */
  constructor(lines, gone) {
    [this.lines, this.gone] = [lines, gone];
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    /** @type {Promise<boolean>} */
    this.opened = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  /** @param {Tile} tile the one whose right opens it */
  async open(tile) {
    tile.connection = this;
    this.#tiles.add(tile);
    try {
      const offer = await this.#offer();
      const query = `?slot=${tile.slot}&stream=${tile.stream}`;
      const answered = await postJson(`/wall/${tile.camera}${query}`, { offer: offer.sdp });
      this.wall = answered.wall;
      if (this.over) {
        forget(tile.camera, answered.session);
        throw new ApiError(0, null);
      }
      this.settle?.(true);
      if (answered.servers.length) {
        this.peer.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: answered.servers });
      }
      await this.peer.setLocalDescription(offer);
      await this.peer.setRemoteDescription({ type: 'answer', sdp: answered.answer });
      this.#seat(tile, answered);
    } catch (error) {
      this.#tiles.delete(tile);
      this.close();
      throw error;
    }
  }

  /** @param {Tile} tile */
  async join(tile) {
    tile.connection = this;
    this.#tiles.add(tile);
    try {
      const answered = await postJson(`/wall/${tile.camera}/${this.wall}/${tile.slot}?stream=${tile.stream}`);
      this.#seat(tile, answered);
    } catch (error) {
      this.leave(tile);
      throw error;
    }
  }

  /** @param {Tile} tile @param {{session: string, tag: string}} answered */
  #seat(tile, { session, tag }) {
    if (tile.over || this.over) return forget(tile.camera, session);
    [tile.session, tile.tag] = [session, tag];
    if (!this.#gathering) this.#trickle();
    const early = this.#early.get(session) || {};
    this.#early.delete(session);
    if (early.end !== undefined) return tile.hear(early);
    tile.want(tile.stream);
    tile.on.track(this.peer.getTransceivers()[tile.slot].receiver.track);
    return tile.hear(early);
  }

  /** @param {Tile} tile */
  leave(tile) {
    this.#tiles.delete(tile);
    if (!this.#tiles.size) this.close();
  }

  /** Ends media at once; whoever is on it is told. */
  close() {
    if (this.over) return;
    this.over = true;
    this.gone();
    this.settle?.(false);
    clearTimeout(this.#broken);
    removeEventListener('offline', this.#moved);
    this.peer.close();
    for (const tile of [...this.#tiles]) {
      forget(tile.camera, tile.session);
      tile.end('');
    }
  }

  /** @param {object} words what a tile has to say; before the channel is open its opening says it */
  say(words) {
    if (this.#channel?.readyState === 'open') this.#channel.send(JSON.stringify(words));
  }

  /** @param {number} slot @returns {Promise<Record<string, number|string>>} */
  async stats(slot) {
    /** @type {Record<string, number|string>} */
    const found = { state: this.peer.connectionState };
    const track = this.peer.getTransceivers()[slot]?.receiver.track;
    (await this.peer.getStats(track)).forEach((item) => {
      if (item.type === 'inbound-rtp' && item.kind === 'video') Object.assign(found, item);
      if (item.type === 'codec') found.codec = item.mimeType;
    });
    return found;
  }

  /** Nothing is gathered before the answer: the box finds the page by the page's own checks. */
  async #offer() {
    const { peer } = this;
    const codecs = plainH264();
    for (let line = 0; line < this.lines; line += 1) {
      const transceiver = peer.addTransceiver('video', { direction: 'recvonly' });
      if (codecs.length) transceiver.setCodecPreferences(codecs);
    }
    const channel = peer.createDataChannel('vuon');
    channel.onmessage = (event) => this.#message(event.data);
    channel.onopen = () => this.#tiles.forEach((tile) => tile.want(tile.stream));
    this.#channel = channel;
    peer.onconnectionstatechange = () => this.#changed();
    peer.onicecandidate = (event) => {
      if (event.candidate?.protocol !== 'udp') return; // the box speaks no other
      this.#late.push(event.candidate);
      this.#gathering ||= setTimeout(() => this.#trickle(), TRICKLE_MS);
    };
    addEventListener('offline', this.#moved);
    return peer.createOffer();
  }

  /** The device has lost its network: whatever comes next has other addresses. */
  #moved = () => this.close();

  #changed() {
    const { connectionState: state } = this.peer;
    clearTimeout(this.#broken);
    if (state === 'failed' || state === 'closed') this.close();
    else if (state === 'disconnected') this.#broken = setTimeout(this.#moved, BROKEN_MS);
  }

  /** @param {string} text */
  #message(text) {
    const { session, ...news } = JSON.parse(text);
    const tile = [...this.#tiles].find((item) => item.session === session);
    if (tile) return tile.hear(news);
    const early = { ...this.#early.get(session), ...news };
    this.#early.delete(session);
    this.#early.set(session, early);
    // Most of it is of sessions that are over, and is never asked for.
    if (this.#early.size > MOST_EARLY) this.#early.delete([...this.#early.keys()][0]);
    return undefined;
  }

  /** Sends what was found, an RFC 8840 fragment, to the address of any tile: all are of the same connection. */
  async #trickle() {
    this.#gathering = 0;
    const late = this.#late.splice(0);
    const body = [...late.map((item) => `a=${item.candidate}`), ''].join('\r\n');
    for (const tile of late.length ? this.#tiles : []) {
      if (this.over) return;
      if (!tile.session) continue;
      const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': tile.tag };
      try {
        await call(`/whep/${tile.camera}/${tile.session}`, { method: 'PATCH', headers, body });
        return;
      } catch (error) {
        // A candidate that is lost costs one path; but a tile that has ended (404) has neighbours.
        if (!(error instanceof ApiError) || error.status !== 404) return;
      }
    }
    this.#late.unshift(...late); // for the next tile that is seated
  }
}

/** @returns {RTCRtpCodec[]} one profile, which all decoders know: sixteen times all of them would be 40 kB of text */
function plainH264() {
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs || [];
  const plain = codecs.filter(({ sdpFmtpLine: line }) => /42e01f/i.test(line || '') && /tion-mode=1/.test(line || ''));
  return plain.length ? [...plain, ...codecs.filter((codec) => codec.mimeType.toLowerCase() === 'video/rtx')] : [];
}

/** Tells the box that nobody looks any more. @param {string} camera @param {string} session '' = none */
function forget(camera, session) {
  if (!session) return;
  call(`/whep/${camera}/${session}`, { method: 'DELETE', keepalive: true }).catch(() => {
    // The box forgets the session by itself a few seconds after the connection is gone.
  });
}

// One WHEP session (draft-ietf-wish-whep-03): receive-only H.264, trickled candidates, the reason it ended.
// Invariants: closing ends media at once and tells the box; a session reports its end exactly once; the box names its
// STUN and TURN servers with its answer, so nothing is gathered before it (candidates that come at once are never
// waited for: the box finds the page by the page's own checks); the box hears which stream the picture's size asks for
// as soon as it can be told.

import { ApiError, call } from './api.js';
import { iceServers } from './ice-servers.js';

/** Candidates that come together go together. */
const TRICKLE_MS = 50;
/** A connection that is broken for so long is not waited for: a new session finds the new network's way. */
const BROKEN_MS = 4000;

/** @returns {RTCRtpCodec[]} H.264 in packetisation mode 1, constrained baseline first, with retransmission */
function h264() {
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs || [];
  const line = (/** @type {RTCRtpCodec} */ codec) => codec.sdpFmtpLine || '';
  const video = codecs.filter(
    (codec) => codec.mimeType.toLowerCase() === 'video/h264' && /packetization-mode=1/.test(line(codec)),
  );
  if (!video.length) return [];
  const baseline = (/** @type {RTCRtpCodec} */ codec) => Number(!/profile-level-id=42e0/i.test(line(codec)));
  video.sort((a, b) => baseline(a) - baseline(b));
  return [...video, ...codecs.filter((codec) => codec.mimeType.toLowerCase() === 'video/rtx')];
}

export class WhepSession {
  /**
   * @param {string} url
   * @param {{track: (track: MediaStreamTrack) => void, ended: (reason: string, code: string) => void,
   *   link?: (news: string) => void}} on
   *   `ended("")` = the connection failed, or the box has a `code` for it but no reason for people;
   *   `link("weak")` = media rests, the link carries none; `link("video")` = it is tried again
   */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.location = '';
    this.tag = '';
    this.over = false;
    /** @type {RTCIceCandidate[]} */
    this.late = [];
    this.timer = 0;
    this.broken = 0;
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.abort = new AbortController();
    /** @type {RTCDataChannel|null} */ this.channel = null;
    /** Stream the picture's size asks for; '' = whatever was opened. */ this.wanted = '';
  }

  /** Asks for another stream of the same camera, which follows without a break. @param {string} stream main or sub */
  want(stream) {
    this.wanted = stream;
    if (this.channel?.readyState === 'open') this.channel.send(JSON.stringify({ want: stream }));
  }

  /** Offers and connects; throws ApiError or TypeError if the box cannot be reached or refuses. */
  async open() {
    const { peer } = this;
    const transceiver = peer.addTransceiver('video', { direction: 'recvonly' });
    const codecs = h264();
    if (codecs.length) transceiver.setCodecPreferences(codecs);
    const channel = peer.createDataChannel('vuon');
    channel.onmessage = (event) => this.#message(event.data);
    channel.onopen = () => this.wanted && this.want(this.wanted);
    this.channel = channel;
    peer.ondatachannel = (event) => {
      event.channel.onmessage = (message) => this.#message(message.data);
    };
    peer.ontrack = (event) => this.on.track(event.track);
    peer.onconnectionstatechange = () => this.#changed();
    peer.onicecandidate = (event) => {
      if (event.candidate?.protocol === 'udp') this.#trickle(event.candidate); // the box speaks no other
    };
    addEventListener('offline', this.#moved);
    const offer = await peer.createOffer();
    const response = await call(this.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: offer.sdp,
      signal: this.abort.signal,
    });
    this.location = new URL(response.headers.get('Location') || '', new URL(this.url, location.href)).pathname;
    this.tag = response.headers.get('ETag') || '';
    const sdp = await response.text();
    this.#check();
    const servers = iceServers(response.headers.get('Link'));
    if (servers.length) peer.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: servers });
    await peer.setLocalDescription(offer);
    this.#check();
    await peer.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Stops media now; the box is told without waiting. */
  close() {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    clearTimeout(this.broken);
    removeEventListener('offline', this.#moved);
    this.abort.abort();
    this.peer.close();
    this.#forget();
  }

  /** @returns {Promise<Record<string, number|string>>} figures of the received video */
  async stats() {
    /** @type {Record<string, number|string>} */
    const found = { state: this.peer.connectionState };
    /** @type {Map<string, any>} */
    const all = new Map();
    (await this.peer.getStats()).forEach((item) => all.set(item.id, item));
    for (const item of all.values()) {
      if (item.type === 'inbound-rtp' && item.kind === 'video') Object.assign(found, item);
      if (item.type === 'codec') found.codec = item.mimeType;
      if (item.type === 'transport') {
        const own = all.get(all.get(item.selectedCandidatePairId)?.localCandidateId);
        Object.assign(found, { path: own?.candidateType ?? '', relayProtocol: own?.relayProtocol ?? '' });
      }
    }
    return found;
  }

  /** Ends `open` where the view has closed the session meanwhile: the box forgets it again. */
  #check() {
    if (!this.over) return;
    this.#forget();
    throw new ApiError(0, null);
  }

  /** The device has lost its network: whatever comes next has other addresses. */
  #moved = () => this.#end('');

  #changed() {
    const { connectionState: state } = this.peer;
    clearTimeout(this.broken);
    if (state === 'failed' || state === 'closed') this.#end('');
    // An ICE restart would find the same box by another way; a new session does so too, and is decided anew.
    else if (state === 'disconnected') this.broken = setTimeout(() => this.#end(''), BROKEN_MS);
  }

  #forget() {
    if (!this.location) return;
    call(this.location, { method: 'DELETE', keepalive: true }).catch(() => {
      // The box forgets the session by itself a few seconds after the connection is gone.
    });
    this.location = '';
  }

  /** @param {string} text */
  #message(text) {
    const { end, code, link } = JSON.parse(text);
    if (typeof end === 'string') this.#end(end, code);
    else if (typeof link === 'string' && !this.over) this.on.link?.(link);
  }

  /** @param {string} reason @param {string} [code] */
  #end(reason, code = '') {
    if (this.over) return;
    if (reason) this.location = ''; // the box ended it and has forgotten it already
    this.close();
    this.on.ended(reason, code);
  }

  /** @param {RTCIceCandidate} candidate */
  #trickle(candidate) {
    this.late.push(candidate);
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.#send(this.late.splice(0));
    }, TRICKLE_MS);
  }

  /** @param {RTCIceCandidate[]} candidates an RFC 8840 fragment */
  #send(candidates) {
    if (this.over || !this.location) return;
    const sdp = this.peer.localDescription?.sdp || '';
    const line = (/** @type {RegExp} */ form) => form.exec(sdp)?.[0]?.trim();
    const lines = candidates.map((item) => `a=${item.candidate}`);
    const head = [line(/a=ice-ufrag:.*/), line(/a=ice-pwd:.*/), line(/m=.*/), line(/a=mid:.*/)];
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': this.tag };
    call(this.location, { method: 'PATCH', headers, body: [...head, ...lines, ''].join('\r\n') }).catch(() => {
      // A candidate that is lost costs one path; the connection's own state says whether that matters.
    });
  }
}

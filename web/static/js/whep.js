// One WHEP session (draft-ietf-wish-whep-03): receive-only H.264, trickled candidates, the reason it ended.
// Invariants: closing ends media at once and tells the box; a session reports its end exactly once; the box hears
// which stream the picture's size asks for as soon as it can be told.

import { ApiError, call } from './api.js';

const GATHER_MS = 250;

/** @returns {RTCRtpCodec[]} H.264 in packetisation mode 1, with retransmission */
function h264() {
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs || [];
  return codecs.filter((codec) => {
    const type = codec.mimeType.toLowerCase();
    return type === 'video/rtx' || (type === 'video/h264' && /packetization-mode=1/.test(codec.sdpFmtpLine || ''));
  });
}

/** @param {RTCPeerConnection} peer @returns {Promise<void>} host candidates come at once; late ones are trickled */
function gathered(peer) {
  return new Promise((resolve) => {
    if (peer.iceGatheringState === 'complete') return resolve();
    const timer = setTimeout(resolve, GATHER_MS);
    peer.addEventListener('icegatheringstatechange', () => {
      if (peer.iceGatheringState === 'complete') {
        clearTimeout(timer);
        resolve();
      }
    });
    return undefined;
  });
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
    this.over = false;
    /** @type {RTCIceCandidate[]} */
    this.late = [];
    this.peer = new RTCPeerConnection();
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
    if (codecs.some((codec) => codec.mimeType.toLowerCase() === 'video/h264')) transceiver.setCodecPreferences(codecs);
    const channel = peer.createDataChannel('vuon');
    channel.onmessage = (event) => this.#message(event.data);
    channel.onopen = () => this.wanted && this.want(this.wanted);
    this.channel = channel;
    peer.ondatachannel = (event) => {
      event.channel.onmessage = (message) => this.#message(message.data);
    };
    peer.ontrack = (event) => this.on.track(event.track);
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === 'failed' || peer.connectionState === 'closed') this.#end('');
    };
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    peer.onicecandidate = (event) => {
      if (event.candidate?.candidate) this.#trickle(event.candidate);
    };
    const response = await call(this.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: peer.localDescription?.sdp,
      signal: this.abort.signal,
    });
    this.location = new URL(response.headers.get('Location') || '', new URL(this.url, location.href)).pathname;
    const sdp = await response.text();
    if (this.over) {
      this.#forget();
      throw new ApiError(0, null);
    }
    await peer.setRemoteDescription({ type: 'answer', sdp });
    if (this.late.length) this.#send(this.late.splice(0));
  }

  /** Stops media now; the box is told without waiting. */
  close() {
    if (this.over) return;
    this.over = true;
    this.abort.abort();
    this.peer.close();
    this.#forget();
  }

  /** @returns {Promise<Record<string, number|string>>} figures of the received video */
  async stats() {
    /** @type {Record<string, number|string>} */
    const found = { state: this.peer.connectionState };
    (await this.peer.getStats()).forEach((item) => {
      if (item.type === 'inbound-rtp' && item.kind === 'video') Object.assign(found, item);
      if (item.type === 'codec') found.codec = item.mimeType;
    });
    return found;
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
    if (this.location) this.#send([candidate]);
    else this.late.push(candidate);
  }

  /** @param {RTCIceCandidate[]} candidates an RFC 8840 fragment */
  #send(candidates) {
    const sdp = this.peer.localDescription?.sdp || '';
    const ufrag = /a=ice-ufrag:(.*)/.exec(sdp)?.[1]?.trim();
    const pwd = /a=ice-pwd:(.*)/.exec(sdp)?.[1]?.trim();
    const media = /m=.*/.exec(sdp)?.[0]?.trim();
    const lines = candidates.map((item) => `a=${item.candidate}`);
    const body = [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, media, 'a=mid:0', ...lines, ''].join('\r\n');
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag' };
    call(this.location, { method: 'PATCH', headers, body }).catch(() => {
      // A candidate that is lost costs one path; the connection's own state says whether that matters.
    });
  }
}

// The ICE servers that an answer names in its Link headers (RFC 8288, RFC 9725 §4.6).
// Invariant: what is no well-formed link to a STUN or TURN server is left out; nothing here throws.

/** One link: its target, and its parameters up to the next link. */
const LINK = /<([^<>]*)>((?:\s*;\s*[a-z-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)/gi;
const PARAMETER = /;\s*([a-z-]+)\s*=\s*(?:"([^"]*)"|([^\s",;]+))/gi;
const SERVER = /^(stun|turns?):[^\s/?#]+(\?transport=(udp|tcp))?$/;

/**
 * @param {string|null} header the Link headers of an answer, joined by commas as fetch does it
 * @returns {RTCIceServer[]}
 */
export function iceServers(header) {
  const found = [];
  for (const [, target, rest] of (header || '').matchAll(LINK)) {
    /** @type {Record<string, string>} */
    const said = {};
    for (const [, name, quoted, plain] of rest.matchAll(PARAMETER)) said[name.toLowerCase()] ??= quoted ?? plain;
    const usable = said.rel === 'ice-server' && SERVER.test(target) && (said['credential-type'] ?? 'password') === 'password';
    if (!usable) continue;
    if (target.startsWith('stun:')) found.push({ urls: target });
    else if (said.username && said.credential) {
      found.push({ urls: target, username: said.username, credential: said.credential });
    }
  }
  return found;
}

// The browser's own key: made here, kept in IndexedDB, and readable by nobody, this script included (not extractable).
// Invariant: what is signed says what for, and holds a challenge that the box gave just now.

import { postJson } from './api.js';

const [DATABASE, STORE, NAME] = ['vuon', 'key', 'device'];
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' };
const HASH = { name: 'ECDSA', hash: 'SHA-256' };

/** @typedef {{id: string, pair: CryptoKeyPair}} Kept `id` is '' until the box has bound it */

/** @returns {string} '' if this browser can hold a key and play the video; else insecure, storage or video */
export function unable() {
  if (!globalThis.crypto?.subtle) return isSecureContext ? 'storage' : 'insecure';
  if (!globalThis.indexedDB) return 'storage';
  const codecs = globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs || [];
  return codecs.some((codec) => /h264/i.test(codec.mimeType)) ? '' : 'video';
}

/** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act @returns {Promise<T>} */
function stored(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => {
        database.close();
        resolve(request.result);
      };
      transaction.onabort = () => reject(transaction.error);
    };
  });
}

/** @returns {Promise<Kept|undefined>} undefined also where nothing can be kept */
export const load = () => stored('readonly', (store) => store.get(NAME)).catch(() => undefined);

/** @param {Kept} kept */
export const keep = (kept) => stored('readwrite', (store) => store.put(kept, NAME));

export const forget = () => stored('readwrite', (store) => store.delete(NAME));

/** @returns {Promise<Kept>} a key that is kept before it is used: an answer that gets lost must not cost the slip */
export async function fresh() {
  const pair = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey(CURVE, false, ['sign', 'verify']));
  const kept = { id: '', pair };
  await keep(kept);
  return kept;
}

/** @param {ArrayBuffer} bytes base64url without padding */
const text = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');

/** @param {Kept} kept @param {'bind'|'enter'} purpose */
export async function prove(kept, purpose) {
  const { challenge } = await postJson('/api/device/challenge');
  const message = new TextEncoder().encode(`vuon-device-1\0${purpose}\0${challenge}`);
  const signature = text(await crypto.subtle.sign(HASH, kept.pair.privateKey, message));
  return { challenge, signature };
}

/** @param {Kept} kept @param {string} url @param {Record<string, string>} more @returns {Promise<string>} the next page */
export async function bind(kept, url, more) {
  const key = text(await crypto.subtle.exportKey('raw', kept.pair.publicKey));
  const { id, next } = await postJson(url, { ...more, key, ...(await prove(kept, 'bind')) });
  await keep({ id, pair: kept.pair });
  return next;
}

/** @param {Kept} kept */
async function entered(kept) {
  const { next } = await postJson('/api/device/session', { id: kept.id, ...(await prove(kept, 'enter')) });
  localStorage.setItem('proven', String(Date.now()));
  return next;
}

/** Proofs this page has begun, each of which ends the cookie's old token, and the end of the last one. */
let [begun, over] = [0, Promise.resolve()];
export const proofs = () => ({ begun, over });

/** Signs this browser in by its key. @param {Kept} kept @returns {Promise<string>} the next page */
export function enter(kept) {
  const going = entered(kept);
  begun += 1;
  over = going.then(() => {}, () => {});
  return going;
}

// When to try again: pure rules of <live-view>, so that they can be read and tested alone.

/** Without a frame this long, a picture must say that it is old (ms). */
export const STALE_MS = 3000;
/** A still older than this is the last picture of a camera that is gone, not a picture of now (ms). */
export const LAST_MS = 60000;
/** No first frame within this: the link is too weak for video now (ms). */
export const FIRST_FRAME_MS = 8000;
/** A stream that stands this long is given up for stills (ms). */
export const GIVE_UP_MS = 8000;

/** A picture this wide on the screen shows more than the small stream holds (device pixels); below the second, less. */
export const [LARGE_PX, SMALL_PX] = [900, 780];

/**
 * Which stream a picture's size asks for; between the two widths the one that it has.
 * @param {string} most the biggest stream there is for this view: main or sub
 * @param {number} width in device pixels @param {string} now '' = none yet
 */
export const streamFor = (most, width, now) =>
  most === 'main' && (width >= LARGE_PX || (width >= SMALL_PX && now === 'main')) ? 'main' : 'sub';

/** Longer than the pictures a stream repeats when somebody joins: frames beyond it are new (ms). */
export const REPEAT_MS = 2500;

/**
 * Whether a stream's frames are of now. It begins with the current group of pictures, which is old when the
 * camera stands; a fresh still proves that the camera does not, and so does a stream that goes on.
 * @param {number} frameAt @param {number} firstAt of this stream @param {number|null} stillAt what the still shows
 */
export const flows = (frameAt, firstAt, stillAt) =>
  (stillAt !== null && frameAt - stillAt <= STALE_MS) || frameAt - firstAt > REPEAT_MS;

/**
 * Whether the first video is still on its way: nothing has stopped then, though the newest still may be seconds old.
 * @param {number} failures of video in a row @param {number} stoppedAt 0 = no stall @param {number} openMs since it was asked for
 */
export const isFirst = (failures, stoppedAt, openMs) => !failures && !stoppedAt && openMs < FIRST_FRAME_MS;

/**
 * @param {number} failures in a row, 1 = first
 * @param {number} jitter in [0, 1)
 * @returns {number} ms until video is tried again: quick twice, then 30 s, then a minute
 */
export function videoDelay(failures, jitter) {
  const steps = [1000, 3000, 30000, 60000];
  return steps[Math.min(failures, steps.length) - 1] * (0.75 + jitter / 2);
}

/**
 * @param {number} failures in a row
 * @param {number} everyMs the pace while all is well
 * @param {number} jitter in [0, 1)
 * @returns {number} ms until the next still
 */
export function stillDelay(failures, everyMs, jitter) {
  return failures ? Math.min(30000, everyMs * 2 ** Math.min(failures, 4)) * (0.75 + jitter / 2) : everyMs;
}

/**
 * The pace of stills: a second while video is on its way, ten for a camera that is gone.
 * @param {string} state of the view @param {boolean} only nothing but stills is wanted @param {number} paceMs of the page
 */
export function stillEvery(state, only, paceMs) {
  if (state === 'offline') return 10000;
  return ['opening', 'still', 'stalled'].includes(state) && !only ? 1000 : paceMs;
}

/**
 * @param {number} ageMs
 * @returns {number|null} the age to write, in whole seconds, or null while the picture counts as now
 */
export const shownAge = (ageMs) => (ageMs > STALE_MS ? Math.round(ageMs / 1000) : null);

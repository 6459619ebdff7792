// When to try again: pure rules of <live-view>, so that they can be read and tested alone.

/** Without a frame this long, a picture must say that it is old (ms). */
export const STALE_MS = 3000;
/** A still older than this is the last picture of a camera that is gone, not a picture of now (ms). */
export const LAST_MS = 60000;
/** No first frame within this: the link is too weak for video now (ms). */
export const FIRST_FRAME_MS = 8000;
/** A stream that stands this long is given up for stills (ms). */
export const GIVE_UP_MS = 8000;

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
 * @param {number} ageMs
 * @returns {number|null} the age to write, in whole seconds, or null while the picture counts as now
 */
export const shownAge = (ageMs) => (ageMs > STALE_MS ? Math.round(ageMs / 1000) : null);

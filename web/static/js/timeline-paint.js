// Paints a stretch of a day: footage, motion, gaps, holds, what is yet to come. Invariant: only paints; the words for
// what is seen here stand beside it, in the list of gaps and in the slider's spoken value.

const HATCH_PX = 6;

/** @param {Element} element @returns {Record<string, string>} colours as the style sheet names them */
export function palette(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(['rec', 'bars', 'gap', 'gap-dark', 'sunk', 'future', 'hold', 'newest'].map((name) => [name, style.getPropertyValue(`--t-${name}`)]));
}

/**
 * @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} width @param {number} height
 * @param {string} light @param {string} dark
 */
function hatch(ctx, x, width, height, light, dark) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, 0, width, height);
  ctx.clip();
  ctx.fillStyle = dark;
  ctx.fillRect(x, 0, width, height);
  ctx.strokeStyle = light;
  ctx.lineWidth = HATCH_PX / 2;
  ctx.beginPath();
  for (let at = x - height - (x % HATCH_PX); at < x + width + height; at += HATCH_PX) {
    ctx.moveTo(at, height);
    ctx.lineTo(at + height, 0);
  }
  ctx.stroke();
  ctx.restore();
}

/**
 * @param {HTMLCanvasElement} canvas @param {[number, number]} view UTC ms
 * @param {import('./day-facts.js').DayFacts} facts @param {number} now UTC ms @param {number} column px of one bar
 */
export function paint(canvas, [from, to], facts, now, column) {
  const [width, height, scale] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio || 1];
  if (!width) return;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const colour = palette(canvas);
  const x = (/** @type {number} */ ms) => Math.max(0, Math.min(width, ((ms - from) / (to - from)) * width));
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.fillStyle = colour.sunk;
  ctx.fillRect(0, 0, width, height);
  ctx.fillStyle = colour.rec;
  for (const [a, b] of facts.spans) if (b > from && a < to) ctx.fillRect(x(a), 0, Math.max(1, x(b) - x(a)), height);
  ctx.fillStyle = colour.bars;
  const step = ((to - from) / width) * column;
  for (let n = 0; n * column < width; n += 1) {
    const at = from + n * step;
    if (!facts.recordedAt(at + step / 2)) continue;
    const level = facts.motionIn(at, at + step) ?? 0;
    const tall = Math.max(1.5, Math.sqrt(level) * (height - 2));
    ctx.fillRect(n * column, height - tall, column - Math.max(1, column / 5), tall);
  }
  for (const gap of facts.gaps) {
    if (gap.end_ms > from && gap.start_ms < to) hatch(ctx, x(gap.start_ms), Math.max(3, x(gap.end_ms) - x(gap.start_ms)), height, colour.gap, colour['gap-dark']);
  }
  const future = Math.max(facts.last, Math.min(now, to));
  if (now < to) hatch(ctx, x(future), width - x(future), height, colour.future, colour.sunk);
  ctx.fillStyle = colour.hold;
  for (const [a, b] of facts.holds) if (b > from && a < to) ctx.fillRect(x(a), height - 4, Math.max(3, x(b) - x(a)), 4);
  if (facts.newest && facts.newest > from && facts.newest < to) {
    ctx.fillStyle = colour.newest;
    ctx.fillRect(x(facts.newest) - 1, 0, 2, height);
  }
}

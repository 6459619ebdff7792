// Keeps the board true: asks every few seconds, draws the page again when something differs (and each
// minute, for the ages), and says so when the hub does not answer.
const EVERY_MS = 3000;
const AGES_MS = 60_000;

/** @type {string | null} */
let last = null;
const drawnAt = performance.now();

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

async function look() {
  if (document.hidden) return;
  let answer;
  try {
    const reply = await fetch("/api/board", { cache: "no-store" });
    if (reply.status === 401) {
      location.assign("/vao");
      return;
    }
    if (!reply.ok) throw new Error(String(reply.status));
    answer = await reply.json();
  } catch {
    part("stale").hidden = false;
    return;
  }
  part("stale").hidden = true;
  const clock = part("clock");
  part("updated").textContent = part("updated").textContent?.replace(/\d\d:\d\d/, answer.clock) ?? "";
  clock.textContent = answer.clock;
  const now = JSON.stringify(
    answer.sites.map((/** @type {any} */ site) => [site.site, site.lost, site.cameras, site.conditions]),
  );
  const changed = last !== null && now !== last;
  last = now;
  // Somebody who walks through the list with the keyboard keeps the place until something has changed.
  const idle = document.activeElement === document.body || document.activeElement === null;
  if (changed || (idle && performance.now() - drawnAt > AGES_MS)) location.reload();
}

setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);
look();

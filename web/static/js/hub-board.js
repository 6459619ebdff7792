// Keeps the board true: asks every few seconds, and draws the page again when something differs.
const EVERY_MS = 3000;

/** @type {string | null} */
let last = null;

async function look() {
  if (document.hidden) return;
  try {
    const reply = await fetch("/api/board", { cache: "no-store" });
    if (reply.status === 401) {
      location.assign("/vao");
      return;
    }
    if (!reply.ok) return;
    const { sites } = await reply.json();
    const now = JSON.stringify(sites.map((/** @type {any} */ site) => [site.site, site.lost, site.cameras]));
    if (last !== null && now !== last) location.reload();
    last = now;
  } catch {
    // No network for a moment: the page says when it was updated, the next look tries again.
  }
}

setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);
look();

"""Renders docs/ref/metrics.md from the registry; `python -m tests.docs.metrics` writes it."""

from __future__ import annotations

from gateway.health.metrics import METRICS
from tests.docs.reference import REF

HEAD = """# Metrics

What `GET /metrics` answers, in Prometheus text format 0.0.4, in the words of `gateway/health/metrics.py`. It exists
for whoever is signed in as principal, authority's technician or installer, also with the session's token as
`Authorization: Bearer`, and with `web.metrics_local = true` for any program on the box itself (loopback; not for a box
with a reverse proxy or tunnel on it, which would lend its loopback to others). One scrape asks every
daemon once; a daemon that does not answer is `vuon_up 0` and has no other figure. A figure that is not known is left out.

Labels hold public ids and codes, never the name of a person, child, class or camera, and nothing of a picture.
`vuon_live_open_*` are of the sessions that are open now, those of one camera, stream and way together: their number of
series is bounded by the cameras, however many people watch. To scrape from the box (`web.metrics_local = true`):

    scrape_configs:
      - job_name: vuon
        scheme: https
        tls_config: {insecure_skip_verify: true}  # loopback; or the box's CA
        static_configs: [{targets: ["127.0.0.1:443"]}]

| metric | type | labels | meaning |
|---|---|---|---|
"""


def metrics() -> str:
    """Render every metric with its type, labels and meaning."""
    rows = [
        f"| `{item.name}` | {item.kind} | {', '.join(f'`{label}`' for label in item.labels) or '–'} | {item.help} |\n"
        for item in METRICS
    ]
    return HEAD + "".join(rows)


PAGES = {"metrics.md": metrics}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (REF / name).write_text(render(), encoding="utf-8")

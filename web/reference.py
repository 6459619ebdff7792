"""The route reference: `docs/ref/routes.md` as text, made from the app's own routes.

Owns the format. Invariant: what the page says about a route is read from the guard that enforces it (a
test compares the file with this text).
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from web.guards import guards_of

HEAD = """# Routes of the box

Who may call what. Every route declares its guard beside its code; the guard runs before the body.
`public` routes show nothing of children, people or cameras. A route that names an object a person may
not know of answers like one that names nothing: 404 with the same bytes. "Decided by the grant" means
that the access module decides, with an audit row, each time the route asks for media.
Changes (everything but GET and OPTIONS) must come from a page of the same origin. For programs the same, with bodies
and parameters, is in `openapi.json` (of the hub: `hub-openapi.json`); no box serves it.

| method | path | who | what |
|---|---|---|---|
"""


def routes_markdown(routes: Iterable[BaseRoute]) -> str:
    """Return the reference; routes in the order of their paths."""
    rows: list[tuple[str, str]] = []
    for route in routes:
        if not isinstance(route, APIRoute):
            continue
        who = "; ".join(guard.describe() for guard in guards_of(route))
        what = (route.endpoint.__doc__ or "").strip().splitlines()[0]
        rows.extend(
            (route.path, f"| {method} | `{route.path}` | {who} | {what} |\n") for method in sorted(route.methods or ())
        )
    return HEAD + "".join(row for _, row in sorted(rows))

"""`vuon chuyen-tiep` (`turn`): the STUN and TURN servers that help viewers who are elsewhere.

Owns these commands. Invariant: the secret shared with a TURN server is asked for without echo or piped in, travels as
the blob of one call and is never an argument.
"""

from __future__ import annotations

from typing import Any

from gateway.cli.asking import hidden
from gateway.cli.context import ConfigOption, Context, DataOption, JsonOption


async def _act(context: Context, method: str, blob: bytes = b"") -> dict[str, Any]:
    async with context.client("gateway") as client:
        return (await client.call(method, {}, blob)).result


def status(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Máy chủ STUN, TURN của hộp này · this box's STUN and TURN servers (status)."""
    context = Context(config, data)
    state = context.run(_act(context, "turn.status"))
    if as_json:
        context.json(state)
        return
    for url in (*state["stun"], *state["turn"]):
        context.line(url)
    if not (state["stun"] or state["turn"]):
        context.say("cli.turn.none")
    elif state["turn"]:
        context.say("cli.turn.secret_set" if state["secret_set"] else "cli.turn.secret_missing")
        context.say("cli.turn.relay" if state["relay"] else "cli.turn.no_relay")


def secret(config: ConfigOption = None, data: DataOption = None) -> None:
    """Đặt mật khẩu chung với máy chủ TURN · set the secret shared with the TURN server (secret)."""
    context = Context(config, data)
    typed = hidden(context, "cli.turn.ask")
    context.run(_act(context, "turn.secret", typed.encode()))
    context.say("cli.turn.set")


def forget(config: ConfigOption = None, data: DataOption = None) -> None:
    """Quên mật khẩu chung với máy chủ TURN · forget the secret shared with the TURN server (forget)."""
    context = Context(config, data)
    was_set = context.run(_act(context, "turn.forget")).get("was_set", True)
    context.say("cli.turn.forgotten" if was_set else "cli.turn.nothing")

"""Strangers who guess: so many wrong passwords a second from many networks, counted by answer.

Owns the attacker's process of bench `login`. Prints one line of JSON when it is told to stop (its stdin closes).
"""

from __future__ import annotations

import asyncio
import collections
import json
import sys

import httpx

NETWORKS = 200


async def attack(url: str, name: str, per_s: float) -> dict[str, int]:
    """Guess until stdin closes; every other guess is of a name that nobody has."""
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    counts: collections.Counter[str] = collections.Counter()
    stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    clients = [
        httpx.AsyncClient(
            base_url=url,
            headers=headers,
            transport=httpx.AsyncHTTPTransport(verify=False, local_address=f"127.{1 + n // 200}.{n % 200}.1"),
        )
        for n in range(NETWORKS)
    ]

    async def guess(n: int) -> None:
        data = {"name": name if n % 2 else f"stranger{n}", "password": f"guess number {n}"}
        try:
            answer = await clients[n % NETWORKS].post("/vao", data=data, timeout=30)
            counts[str(answer.status_code)] += 1
        except httpx.HTTPError:
            counts["no answer"] += 1

    loop, under_way, n, began = asyncio.get_running_loop(), set(), 0, asyncio.get_running_loop().time()
    while not stop.done():
        while n < (loop.time() - began) * per_s:
            task = asyncio.ensure_future(guess(n))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            n += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*under_way, return_exceptions=True)
    for client in clients:
        await client.aclose()
    return dict(counts)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(attack(sys.argv[1], sys.argv[2], float(sys.argv[3])))), flush=True)

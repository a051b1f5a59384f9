"""A stock Python client of one document: changes it at random, and tells its state when it is asked.

Reads lines: "change N" makes N changes, "state" prints the whole state as hexadecimal digits. Ends with its input.
"""

import random
import sys

import anyio
from anyio.to_thread import run_sync
from httpx_ws import aconnect_ws
from pycrdt import Array, Doc, Map, Provider, Text
from pycrdt.websocket.websocket import HttpxWebsocket

WORDS = ["a", "bc", "Hello ", "ß", "😀", "漢字", "𝒳𝒴"]


def change(rng: random.Random, doc: Doc) -> None:
    text = doc.get("text", type=Text)
    entries = doc.get("map", type=Map)
    items = doc.get("array", type=Array)
    kind = rng.randrange(6)
    # pycrdt counts bytes.
    whole = str(text)
    at = rng.randint(0, len(whole))
    start = len(whole[:at].encode())
    if kind <= 1:
        text.insert(start, rng.choice(WORDS))
    elif kind == 2 and at < len(whole):
        del text[start : start + len(whole[at : at + 3].encode())]
    elif kind == 3:
        entries[rng.choice(["one", "two", "three"])] = rng.choice([1.5, True, None, "x", {"a": [1, 2]}])
    elif kind == 4:
        items.insert(rng.randint(0, len(items)), rng.choice(WORDS))
    elif len(items) > 0:
        del items[rng.randrange(len(items))]


async def main(url: str, seed: int) -> None:
    doc: Doc = Doc()
    rng = random.Random(seed)
    async with aconnect_ws(url, keepalive_ping_interval_seconds=None) as websocket:
        async with Provider(doc, HttpxWebsocket(websocket, url)) as provider:
            await provider.synced.wait()
            print("synced", flush=True)
            while line := await run_sync(sys.stdin.readline):
                command, *arguments = line.split()
                if command == "change":
                    for _ in range(int(arguments[0])):
                        change(rng, doc)
                        await anyio.sleep(0)
                else:
                    print(doc.get_update().hex(), flush=True)


anyio.run(main, sys.argv[1], int(sys.argv[2]))

"""Stock aioice clients. "echo TRANSPORT": a datagram to a peer and back through the relay. "ice": two ends that are both relayed.

Arguments: what to do, the relay's port, user and password. Prints "done" when everything came through.
"""

import asyncio
import sys

import aioice
from aioice.ice import TransportPolicy
from aioice.turn import create_turn_endpoint

HOST = "127.0.0.1"
COUNT = 50


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple) -> None:
        self.transport.sendto(data, address)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.arrived: asyncio.Queue = asyncio.Queue()

    def datagram_received(self, data: bytes, address: tuple) -> None:
        self.arrived.put_nowait((data, address))


async def echo(transport: str, port: int, user: str, password: str) -> None:
    loop = asyncio.get_running_loop()
    peer, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    address = peer.get_extra_info("sockname")
    relayed, inbox = await create_turn_endpoint(
        Inbox, server_addr=(HOST, port), username=user, password=password, lifetime=600, ssl=False, transport=transport
    )
    for number in range(COUNT):
        data = b"datagram %d" % number
        relayed.sendto(data, address)
        assert await inbox.arrived.get() == (data, address)
    relayed.close()
    peer.close()


async def ice(port: int, user: str, password: str) -> None:
    options = {"turn_server": (HOST, port), "turn_username": user, "turn_password": password}
    first, second = (
        aioice.Connection(ice_controlling=controls, transport_policy=TransportPolicy.RELAY, **options)
        for controls in (True, False)
    )
    for end in (first, second):
        await end.gather_candidates()
        assert [candidate.type for candidate in end.local_candidates] == ["relay"], end.local_candidates
    for end, other in ((first, second), (second, first)):
        for candidate in other.local_candidates:
            await end.add_remote_candidate(candidate)
        await end.add_remote_candidate(None)
        end.remote_username, end.remote_password = other.local_username, other.local_password
    await asyncio.gather(first.connect(), second.connect())
    for number in range(COUNT):
        for end, other in ((first, second), (second, first)):
            await end.send(b"datagram %d" % number)
            assert await other.recv() == b"datagram %d" % number
    await asyncio.gather(first.close(), second.close())


async def main(what: str, port: str, user: str, password: str) -> None:
    action = ice(int(port), user, password) if what == "ice" else echo(what, int(port), user, password)
    await asyncio.wait_for(action, 25)
    print("done")


asyncio.run(main(*sys.argv[1:]))

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from './clients.js';
import { PASSWORD, USER, startStoa } from './relays.js';

const PYTHON = fileURLToPath(new URL('../../../target/interop-python/bin/python', import.meta.url));
const CLIENT = fileURLToPath(new URL('aioice_client.py', import.meta.url));

let relay;
before(async () => (relay = await startStoa({ workers: 2 })));
after(() => relay.stop());

for (const [name, what] of [
  ['datagrams to a peer and back', 'udp'],
  ['the same with TCP to the relay', 'tcp'],
  ['ICE between two ends that are both relayed', 'ice'],
]) {
  test(`aioice: ${name}`, async () => {
    const { status, text } = await run(PYTHON, [CLIENT, what, String(relay.port), USER, PASSWORD]);
    assert.equal(status, 0, text);
    assert.match(text, /^done$/m);
  });
}

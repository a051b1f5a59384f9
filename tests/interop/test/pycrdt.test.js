// A client that is neither written in JavaScript nor built on Yjs; `./python.sh` installs it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as prng from 'lib0/prng';
import * as Y from 'yjs';
import { joinYWebsocket } from '../harness/clients.js';
import { changeWithoutObjects } from '../harness/edits.js';
import { Server } from '../harness/server.js';
import { showSame, untilEqual } from '../harness/verdict.js';
import { pause, until } from '../harness/wait.js';

const PYTHON = fileURLToPath(new URL('../../../target/interop-python/bin/python', import.meta.url));
const CLIENT = fileURLToPath(new URL('../harness/pycrdt_client.py', import.meta.url));

const server = await Server.start();
after(() => server.stop());

/** A Python client, when it has caught up with the document. */
async function startPython(t, name, seed) {
  if (!existsSync(PYTHON)) throw new Error('the Python client is not installed; run tests/interop/python.sh');
  const child = spawn(PYTHON, [CLIENT, `${server.yjs}/${name}`, String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const say = (line) => child.stdin.write(`${line}\n`);
  const hear = async () => {
    const { done, value } = await lines.next();
    if (done) throw new Error('the Python client has ended');
    return value;
  };
  await hear();
  return {
    change: (count) => say(`change ${count}`),
    /** Its state, as a document. */
    async copy() {
      say('state');
      const doc = new Y.Doc();
      Y.applyUpdate(doc, Buffer.from(await hear(), 'hex'));
      return doc;
    },
  };
}

for (const seed of [1, 2]) {
  test(`Python and JavaScript end up with the same document (seed ${seed})`, async (t) => {
    const gen = prng.create(seed);
    const name = `python-${seed}`;
    const clients = [joinYWebsocket(t, server.yjs, name), joinYWebsocket(t, server.yjs, name)];
    clients[0].doc.getText('text').insert(0, 'there before 😀');
    await untilEqual(
      clients.map(({ doc }) => doc),
      () => clients.every(({ provider }) => provider.synced),
    );
    const pythons = [await startPython(t, name, seed), await startPython(t, name, seed + 100)];
    for (let step = 0; step < 100; step += 1) {
      if (step % 2 === 0) changeWithoutObjects(gen, prng.oneOf(gen, clients).doc);
      else prng.oneOf(gen, pythons).change(1);
      await pause(prng.int32(gen, 0, 5));
    }
    const docs = clients.map(({ doc }) => doc);
    await until('the same in Python', async () =>
      showSame([...docs, ...(await Promise.all(pythons.map((python) => python.copy())))]),
    );
    await untilEqual(docs);
  });
}

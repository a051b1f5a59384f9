import { after, test } from 'node:test';
import * as prng from 'lib0/prng';
import { joinYWebsocket } from '../harness/clients.js';
import { change } from '../harness/edits.js';
import { Proxy } from '../harness/proxy.js';
import { Server, againstRivals } from '../harness/server.js';
import { untilEqual } from '../harness/verdict.js';
import { pause } from '../harness/wait.js';

const CLIENTS = 6;
const STEPS = 600;
// A longer search: INTEROP_SEEDS="$(seq 4 50)".
const seeds = (process.env.INTEROP_SEEDS ?? '1 2 3').split(/\s+/).map(Number);

const server = await Server.start();
const proxy = await Proxy.start(server.yjs);
after(async () => {
  await proxy.stop();
  await server.stop();
});

async function restart() {
  await server.startAgain();
  proxy.leadTo(server.yjs);
}

for (const seed of seeds) {
  test(`documents are equal after lost connections and a killed server (seed ${seed})`, async (t) => {
    const gen = prng.create(seed);
    const join = () => joinYWebsocket(t, proxy.url, `chaos-${seed}`);
    const clients = Array.from({ length: CLIENTS }, join);
    const docs = clients.map(({ doc }) => doc);
    for (let step = 0; step < STEPS; step += 1) {
      change(gen, prng.oneOf(gen, docs));
      if (prng.int32(gen, 0, 19) === 0) proxy.cutOne((count) => prng.int32(gen, 0, count - 1));
      if (step === STEPS / 3) await server.kill();
      if (step === STEPS / 2) await restart();
      await pause(prng.int32(gen, 0, 10));
    }
    await untilEqual(docs, () => clients.every(({ provider }) => provider.synced));

    const fresh = join();
    await untilEqual([fresh.doc, ...docs], () => fresh.provider.synced);
    for (const { provider } of [fresh, ...clients]) provider.destroy();
    if (againstRivals) return;

    // Now nobody but the server has the document.
    await server.quit();
    await restart();
    const late = join();
    await untilEqual([late.doc, ...docs], () => late.provider.synced);
  });
}

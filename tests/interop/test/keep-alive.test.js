// Stock clients give a connection up when they have heard nothing for 30 s. Their own timers run here, so this takes a while.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { joinHocuspocus, joinYWebsocket, openHocuspocus } from '../harness/clients.js';
import { Server, againstRivals } from '../harness/server.js';
import { pause, until } from '../harness/wait.js';

const server = await Server.start();
after(() => server.stop());

test('who is alone and idle stays connected', async (t) => {
  const losses = [];
  const watch = (name, provider, event) => provider.on(event, () => losses.push(name));

  const yWebsocket = joinYWebsocket(t, server.yjs, 'alone').provider;
  watch('y-websocket', yWebsocket, 'connection-close');
  // One that renews no awareness, so that the server has nothing to pass on or to answer.
  const silent = joinYWebsocket(t, server.yjs, 'silent').provider;
  silent.awareness.setLocalState(null);
  watch('y-websocket without awareness', silent, 'connection-close');

  const hocuspocus = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'alone').provider;
  watch('Hocuspocus', hocuspocus, 'disconnect');
  const mute = joinHocuspocus(t, openHocuspocus(t, server.hocuspocus), 'mute', { awareness: null }).provider;
  watch('Hocuspocus without awareness', mute, 'disconnect');
  const known = againstRivals ? ['y-websocket without awareness', 'Hocuspocus without awareness'] : [];

  const all = [yWebsocket, silent, hocuspocus, mute];
  await until('synced providers', () => all.every((provider) => provider.synced));
  await pause(40_000);
  assert.deepEqual(
    losses.filter((name) => !known.includes(name)),
    [],
  );
});

test('a y-webrtc client that only pings now and then stays connected', async (t) => {
  const socket = new WebSocket(server.webrtc);
  t.after(() => socket.terminate());
  const heard = [];
  socket.on('message', (data) => heard.push(JSON.parse(data.toString())));
  await until('an open socket', () => socket.readyState === WebSocket.OPEN);
  await pause(40_000);
  socket.send(JSON.stringify({ type: 'ping' }));
  await until('a pong', () => heard.some(({ type }) => type === 'pong'));
});

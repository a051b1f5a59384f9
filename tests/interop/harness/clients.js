import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider';
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { until } from './wait.js';

// Every provider of y-websocket waits for the process to end.
process.setMaxListeners(0);

/** Providers close sockets that are not open yet, and do not listen for the error that this makes in Node.js. */
class QuietSocket extends WebSocket {
  constructor(...parameters) {
    super(...parameters);
    this.on('error', () => {});
  }
}

/** A document that a stock y-websocket provider follows; gone when the test ends. */
export function joinYWebsocket(t, url, name, { token, doc = new Y.Doc(), ...options } = {}) {
  const params = token === undefined ? {} : { token };
  const provider = new WebsocketProvider(url, name, doc, {
    WebSocketPolyfill: QuietSocket,
    // All tests of a file are in one process; they shall meet at the server.
    disableBc: true,
    maxBackoffTime: 500,
    params,
    ...options,
  });
  t.after(() => provider.destroy());
  return { doc, provider };
}

/** One socket for providers of Hocuspocus; gone when the test ends. */
export function openHocuspocus(t, url) {
  const socket = new HocuspocusProviderWebsocket({
    url,
    WebSocketPolyfill: QuietSocket,
    delay: 100,
    minDelay: 100,
    maxDelay: 500,
  });
  t.after(() => socket.destroy());
  return socket;
}

/** A document that a stock provider of Hocuspocus follows over that socket; gone when the test ends. */
export function joinHocuspocus(t, socket, name, options = {}) {
  const doc = new Y.Doc();
  const provider = new HocuspocusProvider({ name, document: doc, websocketProvider: socket, ...options });
  provider.attach();
  t.after(() => provider.destroy());
  return { doc, provider };
}

/** The code with which the server closed a y-websocket provider's connection for good. */
export function permanentClose(provider, options) {
  let code;
  provider.on('closed', (event) => (code = event.code));
  return until('a permanent close', () => code, options);
}

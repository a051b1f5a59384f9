// A stock y-webrtc client in a process of its own: within one process the package allows a room only once, and its tabs would meet
// past the network. The parent says { insert: [place, text] }, and hears { text, peers } after every change, and { isAnnounced }.
import wrtc from '@roamhq/wrtc';
import { WebSocket } from 'ws';
import * as Y from 'yjs';

// The package takes it from the browser.
globalThis.WebSocket = WebSocket;
const { WebrtcProvider } = await import('y-webrtc');

const [url, topic, password] = process.argv.slice(2);
const doc = new Y.Doc();
const text = doc.getText('text');
const provider = new WebrtcProvider(topic, doc, {
  signaling: [url],
  password: password || null,
  // Nothing outside this machine is asked.
  peerOpts: { wrtc, config: { iceServers: [] } },
});

// Whoever comes next shall come later: of two who call each other at once, the package on this WebRTC may lose both calls.
const [signaling] = provider.signalingConns;
const send = signaling.send.bind(signaling);
signaling.send = (message) => {
  send(message);
  if (message.type === 'publish') send({ type: 'ping' });
};
signaling.on('message', ({ type }) => type === 'pong' && process.send({ isAnnounced: true }));

let peers = 0;
const tell = () => process.send({ text: text.toString(), peers });
doc.on('update', tell);
provider.on('peers', ({ webrtcPeers }) => {
  peers = webrtcPeers.length;
  tell();
});
process.on('message', ({ insert }) => text.insert(...insert));
process.on('disconnect', () => process.exit());

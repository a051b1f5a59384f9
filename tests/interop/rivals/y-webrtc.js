// The signaling server in the y-webrtc package, which only takes a port that is known before.
import { createServer } from 'node:net';

const probe = createServer();
await new Promise((resolve) => probe.listen(Number(process.env.PORT ?? 0), resolve));
const { port } = probe.address();
await new Promise((resolve) => probe.close(resolve));
process.env.PORT = String(port);
await import('../node_modules/y-webrtc/bin/server.js');
console.log(`listening on localhost:${port}`);

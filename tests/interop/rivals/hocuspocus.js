// Hocuspocus without extensions, so without a database. PORT 0 takes a free one; the line on stdout tells which.
import { Server } from '@hocuspocus/server';

const server = new Server({ quiet: true, address: '127.0.0.1', port: Number(process.env.PORT ?? 0) });
await server.listen();
console.log(`listening on 127.0.0.1:${server.httpServer.address().port}`);

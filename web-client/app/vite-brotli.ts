import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = /\.(?:html|js|css|svg|json|txt)$/u;

/** Below this, the saving is smaller than one packet's headers. */
const WORTHWHILE_BYTES = 1000;

/** Writes a `.br` file beside every text asset, so that the server need not compress anything. */
export function brotli(): Plugin {
  return {
    name: 'stoa-brotli',
    apply: 'build',
    async writeBundle(options) {
      const folder = options.dir;
      if (folder === undefined) throw new Error('stoa-brotli needs an output folder');
      for (const entry of await readdir(folder, { recursive: true })) {
        if (!TEXT.test(entry)) continue;
        const path = join(folder, entry);
        const bytes = await readFile(path);
        if (bytes.length < WORTHWHILE_BYTES) continue;
        const params = {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        };
        await writeFile(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { brotli } from './vite-brotli.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  plugins: [brotli()],
  build: {
    outDir: process.env['STOA_WEB_CLIENT_OUT'] ?? here('dist'),
    emptyOutDir: true,
    target: ['chrome135', 'firefox140', 'safari18.4'],
    // A data: address would hide the icon from caches and from the content policy's reader.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

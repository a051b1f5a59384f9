/** How much a browser must load; measured on a real build. */
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const gzip = (content) => gzipSync(content, { level: 9 }).length;

/** Everything that `chunk` imports right away, itself included. */
function withImports(chunk, chunks, found = new Set()) {
  if (found.has(chunk)) return found;
  found.add(chunk);
  for (const name of chunk.imports) withImports(chunks.get(name), chunks, found);
  return found;
}

const sum = (chunks) => [...chunks].reduce((total, chunk) => total + gzip(chunk.code), 0);

/** The chunk that begins with a module of `src`. */
const chunkOf = (path, chunks) => [...chunks.values()].find(({ facadeModuleId }) => facadeModuleId?.endsWith(path));

/**
 * Sizes in bytes, gzipped: the call's JavaScript, what the SDK adds in rooms of many and for statistics, what the note
 * adds, what else is loaded later, and all styles.
 */
export async function measureApp() {
  const { output } = await build({ configFile: here('../vite.config.ts'), logLevel: 'error', build: { write: false } });
  const chunks = new Map(output.filter(({ type }) => type === 'chunk').map((chunk) => [chunk.fileName, chunk]));
  const entry = [...chunks.values()].find((chunk) => chunk.isEntry);
  const call = withImports(entry, chunks);
  const noteParts = ['/note/session.ts', '/note/panel.tsx'].map((path) => withImports(chunkOf(path, chunks), chunks));
  const note = new Set(noteParts.flatMap((part) => [...part]).filter((chunk) => !call.has(chunk)));
  const sdkParts = [...chunks.values()].filter(({ facadeModuleId }) => facadeModuleId?.includes('/sdk/src/'));
  const many = new Set(
    sdkParts.flatMap((part) => [...withImports(part, chunks)]).filter((chunk) => !call.has(chunk) && !note.has(chunk)),
  );
  const rest = new Set([...chunks.values()].filter((chunk) => ![call, many, note].some((part) => part.has(chunk))));
  const styles = output.filter(({ fileName }) => fileName.endsWith('.css'));
  return {
    call: sum(call),
    many: sum(many),
    note: sum(note),
    rest: sum(rest),
    css: styles.reduce((total, { source }) => total + gzip(source), 0),
  };
}

/** The SDK alone, as somebody else's app would bundle it: what is loaded at once, and what later. */
export async function measureSdk() {
  const lib = { entry: here('../../sdk/src/index.ts'), formats: ['es'] };
  const results = await build({ configFile: false, logLevel: 'error', build: { lib, write: false, minify: true } });
  const output = [results].flat().flatMap((result) => result.output);
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const core = withImports(
    output.find((chunk) => chunk.isEntry),
    chunks,
  );
  return { core: sum(core), later: sum(output.filter((chunk) => !core.has(chunk))) };
}

// Yjs as the web client has it installed, and what both scripts share.
import { createRequire } from 'node:module';

// Yjs warns that subdocuments are used twice: states are compared by loading them often.
console.error = () => {};
const require = createRequire(new URL('../../../web-client/package.json', import.meta.url));
export const Y = require('yjs');

export const toHex = (bytes) => Buffer.from(bytes).toString('hex');
export const fromHex = (text) => new Uint8Array(Buffer.from(text, 'hex'));

const KINDS = new Map([
  [Y.ContentDeleted, 'Deleted'],
  [Y.ContentJSON, 'Json'],
  [Y.ContentBinary, 'Binary'],
  [Y.ContentString, 'String'],
  [Y.ContentEmbed, 'Embed'],
  [Y.ContentFormat, 'Format'],
  [Y.ContentType, 'Type'],
  [Y.ContentAny, 'Any'],
  [Y.ContentDoc, 'Doc'],
]);

const kindOf = (struct) => {
  if (struct.constructor === Y.GC) return 'Gc';
  if (struct.constructor === Y.Skip) return 'Skip';
  return KINDS.get(struct.content.constructor);
};

const id = (value) => (value ? `${value.client}:${value.clock}` : '');
const parent = (struct) => (struct.parent?.client === undefined ? '' : id(struct.parent));

/** A value as text, whatever the order of its keys. */
const canonical = (value) => {
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return `<${toHex(value)}>`;
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== 'object')
    return typeof value === 'string' ? JSON.stringify(value) : `${value}`;
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${key}:${canonical(value[key])}`)
    .join()}}`;
};

/** What a struct says. */
const saying = ({ content }) =>
  canonical([
    content?.str,
    content?.arr,
    content?.embed,
    content?.key,
    content?.value,
    content?.content,
    content?.type?.nodeName,
    // Not whether it collects garbage: yrs says so even where it goes without saying.
    content?.doc && [content.doc.guid, content.doc.autoLoad, content.doc.meta],
  ]);

/** What Yjs reads in an update: a line for each struct, where it stands and perhaps what it says, and for each deleted range. */
export const describe = (update, withContent = false) => {
  const { structs, ds } = Y.decodeUpdate(update);
  const lines = structs.map((struct) => {
    const line = [
      id(struct.id),
      struct.length,
      kindOf(struct),
      id(struct.origin),
      id(struct.rightOrigin),
      parent(struct),
    ].join(' ');
    return withContent ? `${line} ${saying(struct)}` : line;
  });
  const clients = [...ds.clients].sort(([a], [b]) => a - b);
  return [lines, clients.flatMap(([client, ranges]) => ranges.map(({ clock, len }) => `${client}:${clock} ${len}`))];
};

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { Content } from './content';

/** The two steps of y-protocols, and updates. `isQuestionBack` marks, among participants, what answers a `step1`. */
export type SyncFrame =
  | { readonly kind: 'step1'; readonly stateVector: Uint8Array; readonly isQuestionBack?: boolean }
  | { readonly kind: 'step2'; readonly update: Uint8Array }
  | { readonly kind: 'update'; readonly update: Uint8Array };

/** What both participants and the server say. */
export type SharedFrame =
  SyncFrame | { readonly kind: 'awareness'; readonly update: Uint8Array } | { readonly kind: 'query' };

/** What is said to the server. */
export type ClientFrame = SharedFrame | { readonly kind: 'open'; readonly epoch: number } | { readonly kind: 'close' };

/** What the server says. */
export type ServerFrame =
  | SharedFrame
  | { readonly kind: 'opened'; readonly epoch: number; readonly access: Access; readonly storage: number }
  | { readonly kind: 'ack'; readonly count: number }
  /** `content.structs` begins at clock 0 for every client. */
  | { readonly kind: 'durable'; readonly content: Content }
  | { readonly kind: 'storage'; readonly storage: number; readonly reason: string }
  | { readonly kind: 'refused'; readonly number: number; readonly code: number; readonly message: string }
  | { readonly kind: 'closed'; readonly code: number; readonly message: string }
  | { readonly kind: 'access'; readonly access: Access };

/** What one may do with a document. */
export type Access = 'read' | 'write';

const VERSION = 1;

const SYNC = 0;
const AWARENESS = 1;
const QUERY = 3;
const OPEN = 100;
const OPENED = 101;
const ACK = 102;
const DURABLE = 103;
const STORAGE = 104;
const REFUSED = 105;
const CLOSE = 106;
const CLOSED = 107;
const ACCESS = 108;

const SYNC_KINDS = ['step1', 'step2', 'update'] as const;
const ACCESS_WRITE = 2;

/** Writes a frame about the document `name`. */
export function encodeFrame(name: string, frame: ClientFrame): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarString(encoder, name);
  switch (frame.kind) {
    case 'awareness':
      encoding.writeVarUint(encoder, AWARENESS);
      encoding.writeVarUint8Array(encoder, frame.update);
      break;
    case 'query':
      encoding.writeVarUint(encoder, QUERY);
      break;
    case 'open':
      encoding.writeVarUint(encoder, OPEN);
      encoding.writeVarUint(encoder, VERSION);
      encoding.writeVarUint(encoder, frame.epoch);
      break;
    case 'close':
      encoding.writeVarUint(encoder, CLOSE);
      break;
    default:
      writeSync(encoder, frame);
  }
  return encoding.toUint8Array(encoder);
}

function writeSync(encoder: encoding.Encoder, frame: SyncFrame): void {
  encoding.writeVarUint(encoder, SYNC);
  encoding.writeVarUint(encoder, SYNC_KINDS.indexOf(frame.kind));
  encoding.writeVarUint8Array(encoder, frame.kind === 'step1' ? frame.stateVector : frame.update);
  if (frame.kind === 'step1' && frame.isQuestionBack === true) {
    // Readers of plain y-protocols ignore it.
    encoding.writeVarUint(encoder, 1);
  }
}

/** Reads a frame of a participant. `other`: it is about another document. Throws on anything malformed. */
export function decodePeerFrame(name: string, bytes: Uint8Array): SharedFrame | 'other' {
  const decoder = decoding.createDecoder(bytes);
  if (decoding.readVarString(decoder) !== name) {
    return 'other';
  }
  const frame = readShared(decoder, decoding.readVarUint(decoder));
  if (frame === null) {
    throw new Error('unknown message');
  }
  return frame;
}

/**
 * Reads a frame of the server. `other`: it is about another document, or of a kind that a later server speaks. Throws on
 * anything malformed.
 */
export function decodeServerFrame(name: string, bytes: Uint8Array): ServerFrame | 'other' {
  const decoder = decoding.createDecoder(bytes);
  if (decoding.readVarString(decoder) !== name) {
    return 'other';
  }
  const number = (): number => decoding.readVarUint(decoder);
  const text = (): string => decoding.readVarString(decoder);
  const type = number();
  switch (type) {
    case OPENED:
      return { kind: 'opened', epoch: number(), access: accessOf(number()), storage: number() };
    case ACK:
      return { kind: 'ack', count: number() };
    case DURABLE:
      return { kind: 'durable', content: readDurable(decoder) };
    case STORAGE:
      return { kind: 'storage', storage: number(), reason: text() };
    case REFUSED:
      return { kind: 'refused', number: number(), code: number(), message: text() };
    case CLOSED:
      return { kind: 'closed', code: number(), message: text() };
    case ACCESS:
      return { kind: 'access', access: accessOf(number()) };
    default:
      return readShared(decoder, type) ?? 'other';
  }
}

function accessOf(number: number): Access {
  return number === ACCESS_WRITE ? 'write' : 'read';
}

function readShared(decoder: decoding.Decoder, type: number): SharedFrame | null {
  switch (type) {
    case AWARENESS:
      return { kind: 'awareness', update: decoding.readVarUint8Array(decoder) };
    case QUERY:
      return { kind: 'query' };
    case SYNC:
      return readSync(decoder);
    default:
      return null;
  }
}

function readSync(decoder: decoding.Decoder): SyncFrame {
  const kind = SYNC_KINDS[decoding.readVarUint(decoder)];
  if (kind === undefined) {
    throw new Error('unknown step');
  }
  const payload = decoding.readVarUint8Array(decoder);
  if (kind !== 'step1') {
    return { kind, update: payload };
  }
  const isQuestionBack = decoding.hasContent(decoder) && decoding.readVarUint(decoder) === 1;
  return { kind, stateVector: payload, isQuestionBack };
}

function readDurable(decoder: decoding.Decoder): Content {
  const content = new Content();
  readEntries(decoding.readVarUint8Array(decoder), (client, inner) => {
    content.structs.add(client, 0, decoding.readVarUint(inner));
  });
  readEntries(decoding.readVarUint8Array(decoder), (client, inner) => {
    for (let left = decoding.readVarUint(inner); left > 0; left -= 1) {
      const clock = decoding.readVarUint(inner);
      content.deletes.add(client, clock, clock + decoding.readVarUint(inner));
    }
  });
  return content;
}

/** State vectors and delete sets are alike: how many clients, then each client and what there is to say about it. */
function readEntries(bytes: Uint8Array, read: (client: number, decoder: decoding.Decoder) => void): void {
  const decoder = decoding.createDecoder(bytes);
  for (let left = decoding.readVarUint(decoder); left > 0; left -= 1) {
    read(decoding.readVarUint(decoder), decoder);
  }
}

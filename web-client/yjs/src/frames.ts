import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';

/**
 * A frame on the document channel: the document's name, then one message as in y-protocols. `step1` has one more byte
 * behind it (readers of plain y-protocols ignore it): 1 marks the question back that answers another `step1`.
 */
export type DocFrame =
  | { readonly kind: 'step1'; readonly stateVector: Uint8Array; readonly isQuestionBack: boolean }
  | { readonly kind: 'step2'; readonly update: Uint8Array }
  | { readonly kind: 'update'; readonly update: Uint8Array }
  | { readonly kind: 'awareness'; readonly update: Uint8Array };

const MESSAGE_SYNC = 0;
const MESSAGE_AWARENESS = 1;
const SYNC_KINDS = ['step1', 'step2', 'update'] as const;

/** Writes a frame for the document `name`. */
export function encodeFrame(name: string, frame: DocFrame): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarString(encoder, name);
  if (frame.kind === 'awareness') {
    encoding.writeVarUint(encoder, MESSAGE_AWARENESS);
    encoding.writeVarUint8Array(encoder, frame.update);
    return encoding.toUint8Array(encoder);
  }
  encoding.writeVarUint(encoder, MESSAGE_SYNC);
  encoding.writeVarUint(encoder, SYNC_KINDS.indexOf(frame.kind));
  if (frame.kind === 'step1') {
    encoding.writeVarUint8Array(encoder, frame.stateVector);
    encoding.writeVarUint(encoder, frame.isQuestionBack ? 1 : 0);
  } else {
    encoding.writeVarUint8Array(encoder, frame.update);
  }
  return encoding.toUint8Array(encoder);
}

/** Reads a frame. `other`: it is about another document. Throws on anything malformed. */
export function decodeFrame(name: string, bytes: Uint8Array): DocFrame | 'other' {
  const decoder = decoding.createDecoder(bytes);
  if (decoding.readVarString(decoder) !== name) {
    return 'other';
  }
  const message = decoding.readVarUint(decoder);
  if (message === MESSAGE_AWARENESS) {
    return { kind: 'awareness', update: decoding.readVarUint8Array(decoder) };
  }
  const kind = message === MESSAGE_SYNC ? SYNC_KINDS[decoding.readVarUint(decoder)] : undefined;
  if (kind === undefined) {
    throw new Error('unknown message');
  }
  const payload = decoding.readVarUint8Array(decoder);
  if (kind !== 'step1') {
    return { kind, update: payload };
  }
  const isQuestionBack = decoding.hasContent(decoder) && decoding.readVarUint(decoder) === 1;
  return { kind, stateVector: payload, isQuestionBack };
}

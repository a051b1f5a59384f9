import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { WebSocket } from 'ws';
import * as Y from 'yjs';
import { until } from './wait.js';

export const SYNC = 0;
export const AWARENESS = 1;
export const AUTH = 2;
export const QUERY_AWARENESS = 3;
export const STATELESS = 5;
export const BROADCAST_STATELESS = 6;
export const SYNC_STATUS = 8;

export const STEP_1 = 0;
export const STEP_2 = 1;
export const UPDATE = 2;

/** What an up-to-date client is sent: no structs, no deletes. */
export const EMPTY_UPDATE = new Uint8Array([0, 0]);

/** A WebSocket that speaks y-protocols word by word, and keeps every word that it hears. With an `address` it speaks as Hocuspocus does. */
export class Wire {
  #socket;
  #address;
  #next = 0;

  /** Everything heard so far, decoded; see `decode`. */
  heard = [];
  /** How the socket was closed, if it was. */
  closed = null;

  constructor(socket, address) {
    this.#socket = socket;
    this.#address = address;
    socket.binaryType = 'arraybuffer';
    socket.on('message', (data, isBinary) =>
      this.heard.push(decode(new Uint8Array(data), isBinary, address !== undefined)),
    );
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    socket.on('error', () => {});
  }

  static async open(t, url, address) {
    const socket = new WebSocket(url);
    const wire = new Wire(socket, address);
    t.after(() => socket.terminate());
    await until('an open socket', () => socket.readyState !== WebSocket.CONNECTING);
    return wire;
  }

  /** Says a message: numbers are numbers, texts are texts, arrays are bytes with their length in front. */
  say(...parts) {
    const encoder = encoding.createEncoder();
    if (this.#address !== undefined) encoding.writeVarString(encoder, this.#address);
    for (const part of parts) {
      if (typeof part === 'number') encoding.writeVarUint(encoder, part);
      else if (typeof part === 'string') encoding.writeVarString(encoder, part);
      else encoding.writeVarUint8Array(encoder, part);
    }
    this.#socket.send(encoding.toUint8Array(encoder));
  }

  /** The next message that fits; those before it are skipped. */
  async hear(what, fits) {
    return until(
      () => `${what} among ${this.heard.length} messages`,
      () => {
        while (this.#next < this.heard.length) {
          const message = this.heard[this.#next];
          this.#next += 1;
          if (fits(message)) return message;
        }
        if (this.closed) throw new Error(`closed with ${this.closed.code} while waiting for ${what}`);
        return null;
      },
    );
  }

  /** Waits until the server has dealt with everything said before. */
  async settle() {
    this.say(SYNC, STEP_1, Y.encodeStateVector(new Y.Doc()));
    return this.hear('an answer', ({ type, step }) => type === SYNC && step === STEP_2);
  }

  /** Breaks the connection, without a farewell. */
  terminate() {
    this.#socket.terminate();
  }
}

/** Takes a message apart. `rest`: how many bytes there are after it, which must be none: clients read one message of a frame. */
function decode(bytes, isBinary, hasAddress) {
  if (!isBinary) return { isText: true };
  const decoder = decoding.createDecoder(bytes);
  const message = {};
  if (hasAddress && bytes.length > 1) message.address = decoding.readVarString(decoder);
  message.type = decoding.readVarUint(decoder);
  if (message.type === SYNC) {
    message.step = decoding.readVarUint(decoder);
    message.bytes = decoding.readVarUint8Array(decoder);
  } else if (message.type === AWARENESS) {
    message.states = decodeAwareness(decoding.readVarUint8Array(decoder));
  } else if (message.type === AUTH) {
    message.kind = decoding.readVarUint(decoder);
    message.text = decoding.hasContent(decoder) ? decoding.readVarString(decoder) : '';
  } else if (message.type === STATELESS) {
    message.text = decoding.readVarString(decoder);
  } else if (message.type === SYNC_STATUS) {
    message.saved = decoding.readVarUint(decoder) === 1;
  }
  return { ...message, rest: decoder.arr.length - decoder.pos };
}

function decodeAwareness(bytes) {
  const decoder = decoding.createDecoder(bytes);
  return Array.from({ length: decoding.readVarUint(decoder) }, () => ({
    client: decoding.readVarUint(decoder),
    clock: decoding.readVarUint(decoder),
    state: JSON.parse(decoding.readVarString(decoder)),
  }));
}

/** An awareness update about one client. */
export function awareness(client, clock, state) {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, 1);
  encoding.writeVarUint(encoder, client);
  encoding.writeVarUint(encoder, clock);
  encoding.writeVarString(encoder, JSON.stringify(state));
  return encoding.toUint8Array(encoder);
}

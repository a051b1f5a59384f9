import { describe, expect, it } from 'vitest';
import { BUFFERED_HIGH_BYTES, CHUNK_BYTES, ChunkQueue, ChunkReader, LARGEST_MESSAGE_BYTES } from '../src/link/chunks';

const message = (length: number, seed = 1) => Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);

function drain(queue: ChunkQueue): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let chunk = queue.take(0); chunk !== null; chunk = queue.take(0)) {
    chunks.push(chunk);
  }
  return chunks;
}

describe('chunks', () => {
  it.each([0, 1, CHUNK_BYTES - 2, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * (CHUNK_BYTES - 1), 200_000])(
    'carry a message of %i bytes unchanged',
    (length) => {
      const queue = new ChunkQueue();
      const reader = new ChunkReader();
      expect(queue.push(message(length))).toBe(true);
      const chunks = drain(queue);
      expect(chunks).toHaveLength(Math.max(1, Math.ceil(length / (CHUNK_BYTES - 1))));
      expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(CHUNK_BYTES);
      const results = chunks.map((chunk) => reader.push(chunk));
      expect(results.slice(0, -1).every((result) => result === null)).toBe(true);
      expect(results.at(-1)).toEqual(message(length));
    },
  );

  it('keep messages in order and apart', () => {
    const queue = new ChunkQueue();
    const reader = new ChunkReader();
    const messages = [message(5, 1), message(100_000, 2), message(0), message(70_000, 3)];
    messages.forEach((each) => queue.push(each));
    const read = drain(queue).flatMap((chunk) => reader.push(chunk) ?? []);
    expect(read).toEqual(messages);
    expect(queue.waitingBytes).toBe(0);
  });

  it('do not change with the buffer of the caller', () => {
    const queue = new ChunkQueue();
    const bytes = message(10);
    queue.push(bytes);
    bytes.fill(0);
    expect(new ChunkReader().push(drain(queue)[0] ?? new Uint8Array())).toEqual(message(10));
  });
});

describe('the queue', () => {
  it('refuses a message that is too large', () => {
    const queue = new ChunkQueue();
    expect(queue.push(new Uint8Array(LARGEST_MESSAGE_BYTES + 1))).toBe(false);
    expect(queue.take(0)).toBeNull();
  });

  it('refuses more when too much waits, and takes it again later', () => {
    const queue = new ChunkQueue();
    const large = new Uint8Array(LARGEST_MESSAGE_BYTES);
    expect([queue.push(large), queue.push(large), queue.push(message(1))]).toEqual([true, true, false]);
    queue.take(0);
    expect(queue.push(message(1))).toBe(true);
  });

  it("waits while the browser's buffer is full", () => {
    const queue = new ChunkQueue();
    queue.push(message(10));
    expect(queue.take(BUFFERED_HIGH_BYTES)).toBeNull();
    expect(queue.take(BUFFERED_HIGH_BYTES - 1)).not.toBeNull();
  });
});

describe('the reader', () => {
  it('drops a message that grows too large, and reads the next', () => {
    const reader = new ChunkReader();
    const more = new Uint8Array(CHUNK_BYTES);
    more[0] = 1;
    for (let sent = 0; sent <= LARGEST_MESSAGE_BYTES + CHUNK_BYTES; sent += CHUNK_BYTES - 1) {
      expect(reader.push(more)).toBeNull();
    }
    expect(reader.push(Uint8Array.of(0, 1))).toBeNull();
    expect(reader.dropped).toBe(1);
    expect(reader.push(Uint8Array.of(0, 7))).toEqual(Uint8Array.of(7));
  });

  it.each([[Uint8Array.of()], [Uint8Array.of(2, 1)], [Uint8Array.of(255)]])('drops the malformed chunk %j', (chunk) => {
    const reader = new ChunkReader();
    expect(reader.push(chunk)).toBeNull();
    expect(reader.push(Uint8Array.of(0, 1))).toBeNull();
    expect(reader.push(Uint8Array.of(0, 7))).toEqual(Uint8Array.of(7));
    expect(reader.dropped).toBe(1);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Doc, encodeStateAsUpdate } from 'yjs';
import { canStore, find, forgetAside, keepEpoch, putAside, readAside } from '../src/note/store';
import { FakeIndexedDb } from './fake-indexeddb';

let indexedDb: FakeIndexedDb;

beforeEach(() => {
  indexedDb = new FakeIndexedDb();
  vi.stubGlobal('indexedDB', indexedDb);
});

afterEach(() => {
  expect(indexedDb.connections).toBe(0);
  vi.unstubAllGlobals();
});

function update(text: string): Uint8Array {
  const doc = new Doc();
  doc.getText('note').insert(0, text);
  return encodeStateAsUpdate(doc);
}

describe('the copies of a note in the browser', () => {
  it('begin with an empty one that has met no server', async () => {
    expect(await find('agora')).toEqual({ database: 'agora', epoch: 0, aside: [] });
  });

  it('remember their epoch', async () => {
    await keepEpoch('agora', 7);
    expect(await find('agora')).toEqual({ database: 'agora', epoch: 7, aside: [] });
    expect((await find('stoa')).epoch).toBe(0);
  });

  it('stay as they are when they are put aside, and the note goes on elsewhere', async () => {
    await keepEpoch('agora', 1);
    indexedDb.addUpdate('agora', update('old words'));
    await putAside('agora');
    const found = await find('agora');
    expect(found.database).toMatch(/^agora~[0-9a-f]{8}$/);
    expect(found).toMatchObject({ epoch: 0, aside: [{ database: 'agora', atMs: expect.any(Number) as number }] });
    expect(await readAside(found.aside[0]!)).toBe('old words');
    // The next life may end, too.
    indexedDb.addUpdate(found.database, update('newer words'));
    await putAside(found.database);
    const last = await find('agora');
    expect(last.aside.map(({ database }) => database)).toEqual(['agora', found.database]);
    expect(await Promise.all(last.aside.map(readAside))).toEqual(['old words', 'newer words']);
  });

  it('go on at one place, whichever page puts them aside first', async () => {
    await keepEpoch('agora', 1);
    await Promise.all([putAside('agora'), putAside('agora')]);
    const { database } = await find('agora');
    await putAside('agora');
    expect((await find('agora')).database).toBe(database);
  });

  it('are not offered when there is nothing in them', async () => {
    await keepEpoch('agora', 1);
    await putAside('agora');
    expect((await find('agora')).aside).toEqual([]);
  });

  it('are forgotten on request, and the note still goes on elsewhere', async () => {
    await keepEpoch('agora', 1);
    indexedDb.addUpdate('agora', update('old words'));
    await putAside('agora');
    const before = await find('agora');
    await forgetAside(before.aside[0]!);
    expect(await find('agora')).toEqual({ ...before, aside: [] });
  });

  it('are not said to be kept when the browser has no room', async () => {
    await keepEpoch('agora', 1);
    indexedDb.isFull = true;
    await expect(keepEpoch('agora', 2)).rejects.toThrow('QuotaExceededError');
    await expect(putAside('agora')).rejects.toThrow('QuotaExceededError');
    expect(await find('agora')).toEqual({ database: 'agora', epoch: 1, aside: [] });
  });

  it('take marks that make no sense for none', async () => {
    await find('agora');
    const marks = indexedDb.databases.get('agora')!.get('custom')!;
    marks.set('epoch', 'seven').set('put-aside', { next: 'x' });
    expect(await find('agora')).toEqual({ database: 'agora', epoch: 0, aside: [] });
  });
});

describe('a browser', () => {
  it('is asked whether it stores anything, and nothing of the question stays', async () => {
    expect(await canStore()).toBe(true);
    expect([...indexedDb.databases.keys()]).toEqual([]);
  });

  it('that refuses is believed', async () => {
    indexedDb.isRefusing = true;
    expect(await canStore()).toBe(false);
    vi.stubGlobal('indexedDB', undefined);
    expect(await canStore()).toBe(false);
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';
import { Doc, encodeStateAsUpdate, UndoManager } from 'yjs';
import { diffText, type Piece } from '../src/history/diff';
import { restoreText, textOfUpdate } from '../src/history/restore';
import { Versions, VersionsError } from '../src/history/versions';

const join = (pieces: readonly Piece[], without: Piece['kind']) =>
  pieces.map(({ kind, text }) => (kind === without ? '' : text)).join('');
const shown = (pieces: readonly Piece[]) =>
  pieces.map(({ kind, text }) => (kind === 'same' ? text : kind === 'inserted' ? `{+${text}}` : `{-${text}}`)).join('');

describe('the difference of two texts', () => {
  it.each([
    ['', '', ''],
    ['', 'new', '{+new}'],
    ['old', '', '{-old}'],
    ['same\n', 'same\n', 'same\n'],
    ['one two three', 'one 2 three', 'one {-two}{+2} three'],
    ['a\nb\nc\n', 'a\nc\n', 'a\n{-b\n}c\n'],
    ['a\nc\n', 'a\nb\nc\n', 'a\n{+b\n}c\n'],
    ['a\nb\nc', 'x\na\nc', '{+x\n}a\n{-b\n}c'],
    ['für Bob 🏛', 'für Ada 🏛!', 'für {-Bob}{+Ada} 🏛{+!}'],
    [
      '# Plan\n\n- buy bread\n',
      '# Plan\n\n- buy olive bread\n- go home\n',
      '# Plan\n\n- buy {+olive }bread{+\n- go home}\n',
    ],
  ])('%j to %j', (from, to, words) => expect(shown(diffText(from, to))).toBe(words));

  it('leads from one to the other, whatever they are', () => {
    let state = 7;
    const next = (bound: number) => (state = (state * 48_271) % 2_147_483_647) % bound;
    const some = () => Array.from({ length: next(40) }, () => ['a', 'b', 'cd', ' ', '\n', '🏛', '.'][next(7)]).join('');
    for (let turn = 0; turn < 500; turn += 1) {
      const [from, to] = [some(), some()];
      const pieces = diffText(from, to);
      expect(join(pieces, 'inserted')).toBe(from);
      expect(join(pieces, 'deleted')).toBe(to);
      pieces.forEach((piece, index) => expect(piece.kind).not.toBe(pieces[index + 1]?.kind));
    }
  });

  it('of long and different texts ends soon, and is right all the same', () => {
    const lines = (word: string) => Array.from({ length: 20_000 }, (_, index) => `${word} ${index}\n`).join('');
    const pieces = diffText(`head\n${lines('old')}tail\n`, `head\n${lines('new')}tail\n`);
    expect(pieces.map(({ kind }) => kind)).toEqual(['same', 'deleted', 'inserted', 'same']);
  });

  it('is short', () => {
    const words = Array.from({ length: 500 }, (_, index) => `word${index}`);
    const changed = words.map((word, index) => (index % 50 === 0 ? 'other' : word));
    const pieces = diffText(words.join(' '), changed.join(' '));
    expect(pieces.filter(({ kind }) => kind === 'deleted')).toHaveLength(10);
  });
});

describe('restoring', () => {
  it('changes as little as possible, and one step undoes it', () => {
    const doc = new Doc();
    const text = doc.getText('note');
    const undo = new UndoManager(text);
    text.insert(0, 'one two three');
    const update = encodeStateAsUpdate(doc);
    text.delete(4, 4);
    text.insert(0, 'A ');
    const changes: unknown[] = [];
    text.observe(({ delta }) => changes.push(delta));
    restoreText(text, undo, textOfUpdate(update));
    expect(text.toString()).toBe('one two three');
    expect(changes).toEqual([[{ delete: 2 }, { retain: 3 }, { insert: ' two' }]]);
    text.insert(0, 'later ');
    undo.undo();
    expect(text.toString()).toBe('one two three');
    undo.undo();
    expect(text.toString()).toBe('A one three');
  });

  it('refuses what is no update', () => expect(() => textOfUpdate(Uint8Array.of(1, 2, 3, 200))).toThrow());
});

describe('versions on the server', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  const answer = (body: BodyInit | null, init: ResponseInit = {}) => {
    const asked = vi.fn((_address: string, _options: RequestInit) => Promise.resolve(new Response(body, init)));
    vi.stubGlobal('fetch', asked);
    return asked;
  };
  const version = { id: '7', name: null, created_at_ms: 5, automatic: true, author: 'Ada', bytes: 9 };

  it('are listed page by page, and what cannot be read is left out', async () => {
    const asked = answer(JSON.stringify({ versions: [version, { id: 1 }], next: 'x y' }));
    const versions = new Versions('atrium/plan', 'secret');
    expect(await versions.list()).toEqual({
      versions: [{ id: '7', name: null, createdAt: new Date(5), automatic: true, author: 'Ada', bytes: 9 }],
      next: 'x y',
    });
    const again = answer(JSON.stringify({ versions: [], next: null }));
    const [address, options] = asked.mock.calls[0] ?? [];
    expect(address).toBe('/v1/docs/atrium%2Fplan/versions');
    expect(new Headers(options?.headers).get('authorization')).toBe('Bearer secret');
    expect((await versions.list('x y')).next).toBeNull();
    expect(again.mock.calls[0]?.[0]).toBe('/v1/docs/atrium%2Fplan/versions?before=x+y');
  });

  it('are made, renamed, read and removed', async () => {
    const versions = new Versions('atrium', undefined);
    const made = answer(JSON.stringify(version), { status: 201 });
    await versions.create('Before lunch', 'Ada');
    expect(made.mock.calls[0]?.[1].body).toBe('{"name":"Before lunch","author":"Ada"}');
    expect(new Headers(made.mock.calls[0]?.[1].headers).has('authorization')).toBe(false);
    const renamed = answer(null, { status: 204 });
    await versions.rename('7', 'x');
    await versions.remove('7');
    expect(renamed.mock.calls.map(([address, { method }]) => [method, address])).toEqual([
      ['PATCH', '/v1/docs/atrium/versions/7'],
      ['DELETE', '/v1/docs/atrium/versions/7'],
    ]);
    answer(Uint8Array.of(0, 0));
    expect(await versions.read('7')).toEqual(Uint8Array.of(0, 0));
  });

  it('fail with the status, or with none', async () => {
    answer(null, { status: 403 });
    await expect(new Versions('a', undefined).list()).rejects.toEqual(new VersionsError(403));
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('down')));
    await expect(new Versions('a', undefined).list()).rejects.toMatchObject({ status: 0 });
  });
});

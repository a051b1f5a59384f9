import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as encoding from 'lib0/encoding';
import { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { decodeAwareness, encodeAwareness, sanitizeState } from '../src/awareness';
import { decodePeerFrame, encodeFrame } from '../src/frames';
import { PeerSync } from '../src/peer-sync';
import type { PeerRights } from '../src/peer-sync';
import { Presence, SERVER } from '../src/presence';
import type { AwarenessChange } from '../src/presence';

const NAME = 'atrium#1';

/** Rights that a test changes as it likes. */
class Rights implements PeerRights {
  readonly readers = new Set<string>();
  readonly strangers = new Set<string>();
  mayTalk = true;
  mayWriteOneself = true;

  mayRead(id: string): boolean {
    return !this.strangers.has(id);
  }

  mayWrite(id: string): boolean {
    return this.mayRead(id) && !this.readers.has(id);
  }
}

/** An editor: a document and what keeps it in step. */
class Editor {
  readonly doc = new Y.Doc();
  readonly awareness = new Awareness(this.doc);
  readonly rights = new Rights();
  readonly sync = new PeerSync(NAME, this.doc, new Presence(this.awareness, this), this, this.rights);

  constructor(readonly id: string) {
    this.doc.on('update', (update: Uint8Array, origin: unknown) => this.sync.handleUpdate(update, origin));
    this.awareness.on('update', (change: AwarenessChange) => this.sync.handleAwareness(change));
  }

  get text(): string {
    return this.doc.getText('note').toJSON();
  }

  write(index: number, text: string): void {
    this.doc.getText('note').insert(index, text);
  }
}

/** A full mesh whose links can be cut; frames travel in order. */
class Net {
  readonly editors: Editor[];
  readonly carried: { from: string; to: string; bytes: Uint8Array }[] = [];
  readonly #links = new Set<string>();
  #onTheWay: { from: string; to: string; bytes: Uint8Array }[] = [];

  constructor(...ids: string[]) {
    this.editors = ids.map((id) => new Editor(id));
  }

  /** Opens the way between two without telling them. */
  pave(a: Editor, b: Editor): void {
    this.#links.add(key(a.id, b.id));
  }

  link(a: Editor, b: Editor): void {
    this.pave(a, b);
    a.sync.handleOpen(b.id);
    b.sync.handleOpen(a.id);
  }

  /** Cuts a link; what is under way on it is lost, and nothing else. */
  cut(a: Editor, b: Editor): void {
    this.#collect();
    this.#links.delete(key(a.id, b.id));
    this.#onTheWay = this.#onTheWay.filter(({ from, to }) => key(from, to) !== key(a.id, b.id));
    a.sync.handleClose(b.id);
    b.sync.handleClose(a.id);
  }

  settle(): void {
    this.#collect();
    for (let frame = this.#onTheWay.shift(); frame !== undefined; frame = this.#onTheWay.shift()) {
      const { from, to, bytes } = frame;
      this.carried.push(frame);
      if (this.carried.length > 20_000) {
        throw new Error('the editors never stop talking');
      }
      this.editors.find(({ id }) => id === to)?.sync.handleFrame(from, bytes);
      this.#collect();
    }
  }

  #collect(): void {
    for (const { id, sync } of this.editors) {
      for (const { to, bytes } of sync.takeOutgoing()) {
        if (this.#links.has(key(id, to))) {
          this.#onTheWay.push({ from: id, to, bytes });
        }
      }
    }
  }

  kinds(): string[] {
    return this.carried.map(({ bytes }) => {
      const frame = decodePeerFrame(NAME, bytes);
      return frame === 'other' ? 'other' : frame.kind;
    });
  }
}

const key = (a: string, b: string) => [a, b].sort().join('-');

function pair(): { net: Net; ada: Editor; bob: Editor } {
  const net = new Net('ada', 'bob');
  const [ada, bob] = net.editors;
  if (ada === undefined || bob === undefined) {
    throw new Error('two editors expected');
  }
  return { net, ada, bob };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('PeerSync', () => {
  it('brings two documents together that were written apart', () => {
    const { net, ada, bob } = pair();
    ada.write(0, 'from Ada. ');
    bob.write(0, 'from Bob. ');
    net.link(ada, bob);
    net.settle();
    expect(ada.text).toBe(bob.text);
    expect(ada.text).toContain('from Ada.');
    expect(ada.text).toContain('from Bob.');
    expect([ada.sync.hasSynced, bob.sync.hasSynced]).toEqual([true, true]);
  });

  it('sends the whole state once in each direction', () => {
    const { net, ada, bob } = pair();
    ada.write(0, 'x'.repeat(10_000));
    net.link(ada, bob);
    net.settle();
    expect(net.kinds().filter((kind) => kind === 'step2')).toHaveLength(2);
    expect(net.carried.filter(({ bytes }) => bytes.length > 5_000)).toHaveLength(1);
  });

  it('passes each edit on to everybody, but not what came from others', () => {
    const net = new Net('ada', 'bob', 'eve');
    const [ada, bob, eve] = net.editors as [Editor, Editor, Editor];
    net.link(ada, bob);
    net.link(bob, eve);
    net.link(ada, eve);
    net.settle();
    net.carried.length = 0;
    ada.write(0, 'hello');
    net.settle();
    expect([bob.text, eve.text]).toEqual(['hello', 'hello']);
    expect(net.carried.map(({ from, to }) => `${from}>${to}`)).toEqual(['ada>bob', 'ada>eve']);
  });

  it('loses nothing that was written, or only deleted, on both sides while cut', () => {
    const { net, ada, bob } = pair();
    ada.write(0, 'one two three');
    net.link(ada, bob);
    net.settle();
    net.cut(ada, bob);
    ada.write(0, 'A ');
    bob.doc.getText('note').delete(4, 4);
    net.settle();
    expect(ada.text).not.toBe(bob.text);
    net.link(ada, bob);
    net.settle();
    expect(ada.text).toBe('A one three');
    expect(bob.text).toBe('A one three');
  });

  it('reaches an editor that opens the document only later, in both directions', () => {
    const { net, ada, bob } = pair();
    ada.write(0, 'early. ');
    bob.write(0, 'kept at home. ');
    // The channel is open, but Bob's note is not: what Ada sends is lost.
    ada.sync.handleOpen('bob');
    ada.sync.takeOutgoing();
    expect([...ada.sync.peers]).toEqual([]);
    net.pave(ada, bob);
    bob.sync.handleOpen('ada');
    net.settle();
    expect(ada.text).toBe(bob.text);
    expect(ada.text).toContain('kept at home.');
    expect([...ada.sync.peers]).toEqual(['bob']);
  });

  it('takes over what an editor deleted while its document was closed', () => {
    const { net, ada, bob } = pair();
    ada.write(0, 'one two');
    net.link(ada, bob);
    net.settle();
    // Bob closes the note, edits offline and opens it again; Ada's channel stays open all the time.
    bob.sync.reset();
    bob.sync.takeOutgoing();
    bob.doc.getText('note').delete(0, 4);
    bob.sync.handleOpen('ada');
    net.settle();
    expect(ada.text).toBe('two');
  });

  it('converges under any edits and cuts', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const net = new Net('ada', 'bob', 'eve');
      const [ada, bob, eve] = net.editors as [Editor, Editor, Editor];
      const pairs: [Editor, Editor][] = [
        [ada, bob],
        [ada, eve],
        [bob, eve],
      ];
      pairs.forEach(([a, b]) => net.link(a, b));
      let state = seed;
      const next = (bound: number) => (state = (state * 48_271) % 2_147_483_647) % bound;
      for (let turn = 0; turn < 100; turn += 1) {
        const editor = net.editors[next(3)] ?? ada;
        const [a, b] = pairs[next(3)] ?? [ada, bob];
        const choice = next(10);
        if (choice < 5) {
          editor.write(next(editor.text.length + 1), String.fromCharCode(97 + next(26)));
        } else if (choice < 7 && editor.text.length > 0) {
          editor.doc.getText('note').delete(next(editor.text.length), 1);
        } else if (choice < 8) {
          net.settle();
        } else {
          net.cut(a, b);
          editor.write(0, '!');
          net.link(a, b);
        }
      }
      net.settle();
      expect(bob.text).toBe(ada.text);
      expect(eve.text).toBe(ada.text);
    }
  });

  it('brings what a full queue refused as soon as it sends again', () => {
    const { net, ada, bob } = pair();
    net.link(ada, bob);
    net.settle();
    ada.write(0, 'refused. ');
    ada.sync.takeOutgoing().forEach(({ to }) => ada.sync.handleUnsent(to));
    ada.write(0, 'later. ');
    net.settle();
    expect(bob.text).toBe('later. refused. ');
    ada.write(0, 'refused again. ');
    ada.sync.takeOutgoing().forEach(({ to }) => ada.sync.handleUnsent(to));
    ada.awareness.setLocalStateField('cursor', 1);
    net.settle();
    expect(bob.text).toBe(ada.text);
  });
});

describe('awareness', () => {
  const stateOf = (editor: Editor, of: Editor) => editor.awareness.getStates().get(of.doc.clientID);

  it('shows cursors, takes them away with the channel, and brings them back', () => {
    const { net, ada, bob } = pair();
    bob.awareness.setLocalState({ user: { name: 'Bob', color: '#112233' } });
    net.link(ada, bob);
    net.settle();
    expect(stateOf(ada, bob)).toEqual({ user: { name: 'Bob', color: '#112233' } });
    net.cut(ada, bob);
    expect(stateOf(ada, bob)).toBeUndefined();
    net.link(ada, bob);
    net.settle();
    expect(stateOf(ada, bob)).toBeDefined();
    bob.awareness.setLocalState(null);
    net.settle();
    expect(stateOf(ada, bob)).toBeUndefined();
  });

  it('of others is not passed on', () => {
    const net = new Net('ada', 'bob', 'eve');
    const [ada, bob, eve] = net.editors as [Editor, Editor, Editor];
    net.link(ada, bob);
    net.link(ada, eve);
    net.settle();
    net.carried.length = 0;
    bob.awareness.setLocalStateField('cursor', 3);
    net.settle();
    expect(net.carried.map(({ from, to }) => `${from}>${to}`)).toEqual(['bob>ada']);
  });

  it('lets nobody speak for oneself', () => {
    const { ada } = pair();
    ada.sync.handleOpen('eve');
    ada.awareness.setLocalState({ user: { name: 'Ada' } });
    const update = encodeAwareness([{ clientId: ada.doc.clientID, clock: 99, state: { user: { name: 'Eve' } } }]);
    ada.sync.handleFrame('eve', encodeFrame(NAME, { kind: 'awareness', update }));
    expect(ada.awareness.getLocalState()).toEqual({ user: { name: 'Ada' } });
  });

  it('of one participant is bounded', () => {
    const { ada } = pair();
    ada.sync.handleOpen('eve');
    const entries = Array.from({ length: 60 }, (_, index) => ({ clientId: index + 1, clock: 1, state: {} }));
    ada.sync.handleFrame('eve', encodeFrame(NAME, { kind: 'awareness', update: encodeAwareness(entries) }));
    expect(ada.awareness.getStates().size).toBe(1 + 8);
    ada.sync.handleClose('eve');
    expect(ada.awareness.getStates().size).toBe(1);
  });

  it('is answered when somebody asks', () => {
    const { net, ada, bob } = pair();
    net.link(ada, bob);
    net.settle();
    net.carried.length = 0;
    ada.sync.handleFrame('bob', encodeFrame(NAME, { kind: 'query' }));
    net.settle();
    expect(net.carried.map(({ from }) => from)).toEqual(['ada']);
    expect(net.kinds()).toEqual(['awareness']);
  });

  it('is there as long as anybody tells of it', () => {
    const { ada } = pair();
    const presence = new Presence(ada.awareness, ada);
    const said = (clock: number, state: Record<string, unknown> | null) =>
      encodeAwareness([{ clientId: 7, clock, state }]);
    const isThere = () => ada.awareness.getStates().has(7);
    presence.apply('bob', said(1, {}));
    presence.apply(SERVER, said(1, {}));
    presence.drop('bob');
    expect(isThere()).toBe(true);
    presence.apply('bob', said(2, {}));
    presence.apply(SERVER, said(2, null));
    expect(isThere()).toBe(true);
    presence.drop(SERVER);
    expect(isThere()).toBe(true);
    presence.apply('bob', said(3, null));
    expect(isThere()).toBe(false);
    presence.apply(SERVER, said(4, {}));
    presence.apply('eve', said(5, null));
    expect(isThere()).toBe(true);
    presence.drop(SERVER);
    expect(isThere()).toBe(false);
  });

  it('stays with the newer participant when an editor comes back under another id', () => {
    const { ada } = pair();
    const frame = (clock: number) =>
      encodeFrame(NAME, { kind: 'awareness', update: encodeAwareness([{ clientId: 7, clock, state: { n: clock } }]) });
    ada.sync.handleOpen('bob');
    ada.sync.handleFrame('bob', frame(1));
    ada.sync.handleOpen('bob again');
    ada.sync.handleFrame('bob again', frame(2));
    ada.sync.handleClose('bob');
    expect(ada.awareness.getStates().get(7)).toEqual({ n: 2 });
  });
});

describe('rights', () => {
  const trio = () => {
    const net = new Net('ada', 'bob', 'eve');
    const [ada, bob, eve] = net.editors as [Editor, Editor, Editor];
    const linkAll = () => {
      net.link(ada, bob);
      net.link(bob, eve);
      net.link(ada, eve);
      net.settle();
    };
    return { net, ada, bob, eve, linkAll };
  };
  const from = (net: Net, id: string) =>
    net.carried
      .filter((frame) => frame.from === id)
      .map(({ bytes }) => {
        const frame = decodePeerFrame(NAME, bytes);
        return frame === 'other' ? 'other' : frame.kind;
      });

  it('of a reader: sees what others write, is seen, and sends nothing but awareness', () => {
    const { net, ada, bob, eve, linkAll } = trio();
    eve.rights.mayWriteOneself = false;
    for (const editor of [ada, bob]) editor.rights.readers.add('eve');
    linkAll();
    eve.awareness.setLocalState({ user: { name: 'Eve', color: '#112233' } });
    eve.write(0, 'mine. ');
    ada.write(0, 'hello. ');
    net.settle();
    expect([ada.text, bob.text]).toEqual(['hello. ', 'hello. ']);
    expect(eve.text).toContain('hello. ');
    expect(new Set(from(net, 'eve'))).toEqual(new Set(['awareness']));
    expect(ada.awareness.getStates().has(eve.doc.clientID)).toBe(true);
  });

  it('of a reader are enforced by those who receive', () => {
    const { ada, bob, linkAll } = trio();
    linkAll();
    ada.rights.readers.add('bob');
    bob.write(0, 'forged');
    const update = Y.encodeStateAsUpdate(bob.doc);
    ada.sync.handleFrame('bob', encodeFrame(NAME, { kind: 'update', update }));
    ada.sync.handleFrame('bob', encodeFrame(NAME, { kind: 'step2', update }));
    expect(ada.text).toBe('');
    expect(ada.sync.malformed).toBe(0);
  });

  it('of a stranger: nothing goes there, and nothing is taken from there', () => {
    const { net, ada, bob, eve, linkAll } = trio();
    for (const editor of [ada, bob]) editor.rights.strangers.add('eve');
    linkAll();
    ada.write(0, 'secret');
    eve.write(0, 'forged');
    eve.awareness.setLocalState({ user: { name: 'Eve', color: '#112233' } });
    net.settle();
    expect(net.carried.filter(({ to, from }) => to === 'eve' && from !== 'eve')).toEqual([]);
    expect([ada.text, bob.text, eve.text]).toEqual(['secret', 'secret', 'forged']);
    expect(ada.awareness.getStates().has(eve.doc.clientID)).toBe(false);
    expect([...ada.sync.peers]).toEqual(['bob']);
  });

  it('of somebody who may send no data: says nothing at all', () => {
    const { net, ada, linkAll } = trio();
    ada.rights.mayTalk = false;
    linkAll();
    ada.write(0, 'x');
    net.settle();
    expect(from(net, 'ada')).toEqual([]);
  });

  it('that change bring both together from the beginning', () => {
    const { net, ada, bob } = pair();
    bob.rights.mayWriteOneself = false;
    ada.rights.readers.add('bob');
    net.link(ada, bob);
    net.settle();
    bob.write(0, 'kept till now. ');
    net.settle();
    expect(ada.text).toBe('');
    bob.rights.mayWriteOneself = true;
    ada.rights.readers.clear();
    bob.sync.handleRights(['ada', 'nobody']);
    ada.sync.handleRights(['bob']);
    net.settle();
    expect(ada.text).toBe('kept till now. ');
  });
});

describe('hostile frames', () => {
  const cyclic = encoding.createEncoder();
  encoding.writeVarString(cyclic, NAME);
  encoding.writeVarUint(cyclic, 9);
  const awareness = (text: string) => {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, 1);
    encoding.writeVarUint(encoder, 5);
    encoding.writeVarUint(encoder, 1);
    encoding.writeVarString(encoder, text);
    return encodeFrame(NAME, { kind: 'awareness', update: encoding.toUint8Array(encoder) });
  };

  it.each([
    ['empty', new Uint8Array()],
    ['noise', Uint8Array.from({ length: 50 }, () => 0xff)],
    ['an unknown message', encoding.toUint8Array(cyclic)],
    ['a broken update', encodeFrame(NAME, { kind: 'update', update: Uint8Array.of(1, 2, 3, 200, 200) })],
    [
      'a broken state vector',
      encodeFrame(NAME, { kind: 'step1', stateVector: Uint8Array.of(200), isQuestionBack: false }),
    ],
    ['awareness that is not JSON', awareness('{')],
    ['awareness that is no object', awareness('"text"')],
    ['awareness that is too large', awareness(JSON.stringify({ x: 'x'.repeat(20_000) }))],
    ['too many awareness entries', encodeFrame(NAME, { kind: 'awareness', update: Uint8Array.of(0xff, 0xff, 0x7f) })],
    ['a question that is none', Uint8Array.of(8, ...new TextEncoder().encode(NAME), 0, 3)],
  ])('%s: dropped and counted', (_name, bytes) => {
    const { net, ada, bob } = pair();
    net.link(ada, bob);
    net.settle();
    ada.sync.handleFrame('bob', bytes);
    expect(ada.sync.malformed).toBe(1);
    bob.write(0, 'still in step');
    net.settle();
    expect(ada.text).toBe('still in step');
  });

  it('about other documents and from strangers: ignored', () => {
    const { ada } = pair();
    ada.sync.handleFrame('stranger', new Uint8Array());
    ada.sync.handleOpen('bob');
    ada.sync.handleFrame('bob', encodeFrame('other', { kind: 'update', update: Uint8Array.of(9) }));
    expect(ada.sync.malformed).toBe(0);
    expect([...ada.sync.peers]).toEqual([]);
  });
});

describe('sanitizeState', () => {
  it('leaves good states alone', () => {
    const state = { user: { name: 'Ada', color: '#aabbcc', colorLight: '#aabbcc33' }, cursor: { anchor: 1 } };
    expect(sanitizeState(state)).toEqual(state);
    expect(sanitizeState({ cursor: 1 })).toEqual({ cursor: 1 });
  });

  it('clips names by characters and replaces colours that are none', () => {
    const safe = sanitizeState({
      user: { name: '🏛'.repeat(100), color: 'red;background:url(//evil)', colorLight: 7 },
    });
    expect(safe).toEqual({ user: { name: '🏛'.repeat(64), color: '#6b7280', colorLight: '#6b7280' } });
    expect(sanitizeState({ user: 'text' })).toEqual({ user: { name: '', color: '#6b7280' } });
    expect(sanitizeState({ user: { name: {}, color: '#12345' } })).toEqual({ user: { name: '', color: '#6b7280' } });
  });

  it('is applied to everything that is read', () => {
    const update = encodeAwareness([{ clientId: 1, clock: 1, state: { user: { name: 'E', color: 'x' } } }]);
    expect(decodeAwareness(update)[0]?.state).toEqual({ user: { name: 'E', color: '#6b7280' } });
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakePort, FakeServer } from '../../yjs/test/fake-server';
import { NoteSession } from '../src/note/session';

const NAME = 'agora';

/** Somebody with the note open; this browser refuses storage. */
class Reader {
  readonly port: FakePort;
  readonly session: NoteSession;
  readonly shown: (string | null)[] = [];

  constructor(readonly server: FakeServer) {
    this.port = new FakePort(server);
    this.session = new NoteSession(this.port, NAME);
    this.session.subscribe(() => {
      const { server: state } = this.session.state;
      if (state !== this.shown.at(-1)) this.shown.push(state);
    });
  }

  get text(): string {
    return this.session.state.copy.text.toString();
  }

  write(words: string): void {
    this.session.state.copy.text.insert(0, words);
  }
}

/** Lets everything arrive and be written to disk. */
async function settle(server: FakeServer): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) {
    for (const port of server.ports) {
      port.deliverUp();
      port.deliverDown();
    }
    server.commit();
    server.account();
    await vi.advanceTimersByTimeAsync(0);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('a note', () => {
  it('is connecting, then saving, and saved only after a calm', async () => {
    const server = new FakeServer(NAME);
    const ada = new Reader(server);
    expect(ada.session.state.server).toBeNull();
    ada.port.open();
    await settle(server);
    expect(ada.session.state.server).toBe('saving');
    await vi.advanceTimersByTimeAsync(300);
    expect(ada.session.state.server).toBe('saved');
    ada.write('x');
    expect(ada.session.state.server).toBe('saving');
    await settle(server);
    expect(ada.session.state.server).toBe('saving');
    await vi.advanceTimersByTimeAsync(300);
    expect(ada.shown).toEqual([null, 'saving', 'saved', 'saving', 'saved']);
    ada.session.destroy();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is offline when the server is not reached for long', async () => {
    const ada = new Reader(new FakeServer(NAME));
    await vi.advanceTimersByTimeAsync(3_900);
    expect(ada.session.state.server).toBeNull();
    await vi.advanceTimersByTimeAsync(200);
    expect(ada.session.state).toMatchObject({ server: 'offline', storage: 'failed' });
    ada.session.destroy();
  });

  it('tells who is there, oneself first', async () => {
    const server = new FakeServer(NAME);
    const [ada, bob] = [new Reader(server), new Reader(server)];
    bob.session.introduce('Bob', 'b');
    ada.port.open();
    bob.port.open();
    await settle(server);
    ada.session.introduce('Zoe', 'a');
    bob.session.introduce('Bert', 'b');
    await settle(server);
    expect(ada.session.state.editors.map(({ name, isSelf }) => [name, isSelf])).toEqual([
      ['Zoe', true],
      ['Bert', false],
    ]);
    ada.session.destroy();
    bob.session.destroy();
  });

  it('begins anew when the server erases it, and stays in step', async () => {
    const server = new FakeServer(NAME);
    const [ada, bob] = [new Reader(server), new Reader(server)];
    ada.session.introduce('Ada', 'a');
    ada.port.open();
    bob.port.open();
    await settle(server);
    ada.write('old');
    await settle(server);
    expect(bob.text).toBe('old');
    const before = ada.session.state.copy;
    server.erase();
    await settle(server);
    expect(ada.session.state.copy).not.toBe(before);
    expect([ada.text, bob.text]).toEqual(['', '']);
    ada.write('new');
    await settle(server);
    await vi.advanceTimersByTimeAsync(300);
    expect([bob.text, ada.session.state.server]).toEqual(['new', 'saved']);
    expect(bob.session.state.editors.map(({ name }) => name)).toEqual(['Ada']);
    ada.session.destroy();
    bob.session.destroy();
    await settle(server);
    expect(server.followers.size).toBe(0);
  });
});

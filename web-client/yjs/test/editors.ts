import * as Y from 'yjs';
import { StoaProvider } from '../src/provider';
import type { ProviderCopy } from '../src/provider';
import { FakePort, FakeServer } from './fake-server';
import { FakeRoom } from './fake-room';

export const NAME = 'atrium';

/** Somebody with the document open in a room. */
export class Editor {
  readonly port: FakePort;
  readonly room: FakeRoom;
  readonly doc = new Y.Doc();
  readonly provider: StoaProvider;

  constructor(
    readonly server: FakeServer,
    readonly id: string,
    copy?: ProviderCopy,
  ) {
    this.port = new FakePort(server);
    this.room = new FakeRoom(id, this.port);
    this.provider = new StoaProvider(this.room, NAME, this.doc, copy === undefined ? {} : { copy });
  }

  get text(): string {
    return this.doc.getText('note').toJSON();
  }

  get state(): [string, boolean, number] {
    return [this.provider.saveState, this.provider.saved, this.provider.pending];
  }

  write(index: number, text: string): void {
    this.doc.getText('note').insert(index, text);
  }

  erase(index: number, length: number): void {
    this.doc.getText('note').delete(index, length);
  }
}

/** Lets everything that is on its way arrive, and what that causes; nothing is committed. */
export function deliver(server: FakeServer): void {
  const ports = [...server.ports];
  for (let turn = 0; ports.some((port) => !port.isIdle); turn += 1) {
    if (turn > 1_000) throw new Error('they never stop talking');
    ports.forEach((port) => port.deliverUp());
    ports.forEach((port) => port.deliverDown());
  }
}

/** The same, with everything on disk and told. */
export function settle(server: FakeServer): void {
  for (let turn = 0; turn < 3; turn += 1) {
    deliver(server);
    server.commit();
    server.account();
  }
  deliver(server);
}

export function solo(): { server: FakeServer; ada: Editor } {
  const server = new FakeServer(NAME);
  const ada = new Editor(server, 'ada');
  ada.port.open();
  settle(server);
  return { server, ada };
}

export function pair(): { server: FakeServer; ada: Editor; bob: Editor } {
  const { server, ada } = solo();
  const bob = new Editor(server, 'bob');
  bob.port.open();
  settle(server);
  return { server, ada, bob };
}

/** Frames that the server counts, sent since the last look. */
export function uploads(editor: Editor): number {
  return editor.port.sent.splice(0).filter((frame) => frame[NAME.length + 1] === 0 && frame[NAME.length + 2] !== 0)
    .length;
}

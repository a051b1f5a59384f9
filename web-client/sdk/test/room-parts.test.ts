import { describe, expect, it, vi } from 'vitest';
import { MeshChannel } from '../src/channel';
import { DeviceError, StoaError } from '../src/errors';
import { Emitter, Listeners } from '../src/events';
import { inboundBytes, pathFromStats } from '../src/link/path';
import { Roster } from '../src/roster';
import type { LinkView } from '../src/roster';
import type { Participant, RoomState } from '../src/signal/wire';

const person = (id: string, name = id): Participant => ({
  id,
  name,
  media: { microphone: false, camera: false, screen: false },
  connected: true,
  moderator: false,
});
const room = (...participants: Participant[]): RoomState => ({
  name: 'atrium',
  topology: { mode: 'mesh', epoch: 0 },
  locked: false,
  chat_enabled: true,
  participants,
});
const link: LinkView = { link: 'connected', path: 'direct', stream: null, screen: null, speaking: false };
const told = (roster: Roster, view: LinkView = link) =>
  roster.refresh(() => view).map((change) => `${change.kind} ${change.participant.id}`);

describe('Roster', () => {
  it('lists oneself first, then the others in order of arrival', () => {
    const roster = new Roster('m', room(person('z'), person('m'), person('a')));
    expect(told(roster)).toEqual(['joined m', 'joined z', 'joined a']);
    expect(roster.views.map(({ id, isSelf }) => [id, isSelf])).toEqual([
      ['m', true],
      ['z', false],
      ['a', false],
    ]);
  });

  it('keeps the objects of those who did not change', () => {
    const roster = new Roster('m', room(person('m'), person('a'), person('b')));
    told(roster);
    const before = roster.views;
    roster.put(person('b', 'Bob'));
    expect(told(roster)).toEqual(['changed b']);
    expect(roster.views[1]).toBe(before[1]);
    expect(roster.views[2]).toMatchObject({ name: 'Bob' });
    expect(told(roster)).toEqual([]);
    expect(told(roster, { ...link, link: 'interrupted' })).toHaveLength(3);
  });

  it('tells how somebody left', () => {
    const roster = new Roster('m', room(person('m'), person('a'), person('b')));
    told(roster);
    roster.remove('a', 'left', true);
    expect(roster.refresh(() => link)).toMatchObject([{ kind: 'left', reason: 'left', participant: { id: 'a' } }]);
    roster.remove('nobody', 'left', true);
    expect(told(roster)).toEqual([]);
  });

  it('tells the differences after an outage', () => {
    const roster = new Roster('m', room(person('m'), person('a'), person('b')));
    told(roster);
    roster.reset('m', room(person('m'), person('b', 'Bob'), person('c')), () => false);
    expect(told(roster)).toEqual(['left a', 'changed b', 'joined c']);
  });

  it('keeps who is still linked in their place when the server has lost sight of them', () => {
    const roster = new Roster('m', room(person('m'), person('a'), person('b'), person('c')));
    told(roster);
    roster.reset('m', room(person('m'), person('c')), (id) => id === 'b');
    expect(told(roster)).toEqual(['left a', 'changed b']);
    expect(roster.views.map(({ id, connected }) => [id, connected])).toEqual([
      ['m', true],
      ['b', false],
      ['c', true],
    ]);
    roster.put(person('b'));
    expect(told(roster)).toEqual(['changed b']);
    expect(roster.dropUnlinked(() => false)).toBe(false);
    roster.remove('b', 'lost', true);
    expect(told(roster)).toEqual(['changed b']);
    expect(roster.dropUnlinked((id) => id === 'b')).toBe(false);
    expect(roster.dropUnlinked(() => false)).toBe(true);
    expect(roster.refresh(() => link)).toMatchObject([{ kind: 'left', reason: 'lost', participant: { id: 'b' } }]);
  });

  it.each(['left', 'removed'] as const)('lets go at once of who is linked but has %s', (reason) => {
    const roster = new Roster('m', room(person('m'), person('a')));
    told(roster);
    roster.remove('a', 'lost', true);
    told(roster);
    roster.remove('a', reason, true);
    expect(roster.refresh(() => link)).toMatchObject([{ kind: 'left', reason }]);
    roster.reset('m', room(person('m')), () => true);
    expect(told(roster)).toEqual([]);
  });

  it('tells who became a moderator', () => {
    const roster = new Roster('m', room(person('m'), person('a')));
    told(roster);
    roster.put({ ...person('a'), moderator: true });
    expect(told(roster)).toEqual(['changed a']);
  });

  it('does not show the own lost session as somebody else', () => {
    const roster = new Roster('old', room(person('old'), person('a')));
    told(roster);
    roster.reset('new', room(person('old'), person('a'), person('new')), () => true);
    roster.put({ ...person('old'), connected: false });
    expect(told(roster)).toEqual(['left old', 'joined new']);
    expect(roster.others.map(({ id }) => id)).toEqual(['a']);
  });
});

describe('pathFromStats', () => {
  const stats = (local: string, remote: string, extra: object[]) => [
    {
      id: 'P1',
      type: 'candidate-pair',
      localCandidateId: 'L',
      remoteCandidateId: 'R',
      state: 'succeeded',
      ...extra[1],
    },
    { id: 'L', type: 'local-candidate', candidateType: local },
    { id: 'R', type: 'remote-candidate', candidateType: remote },
    ...extra.slice(0, 1),
  ];
  const transport = { id: 'T', type: 'transport', selectedCandidatePairId: 'P1' };

  it.each([
    ['direct', stats('host', 'prflx', [transport])],
    ['relayed', stats('relay', 'host', [transport])],
    ['relayed', stats('srflx', 'relay', [transport])],
    ['direct', stats('host', 'host', [{ id: 'x', type: 'codec' }, { selected: true }])],
    ['relayed', stats('relay', 'host', [{ id: 'x', type: 'codec' }, { nominated: true }])],
    ['unknown', stats('host', 'host', [])],
    ['unknown', []],
  ])('says %s', (expected, report) => {
    expect(pathFromStats(report)).toBe(expected);
  });
});

it('counts the bytes that came in, wherever the browser counts them', () => {
  const pair = { id: 'p', type: 'candidate-pair', bytesReceived: 5 };
  expect(inboundBytes([pair, { ...pair, id: 'q', bytesReceived: 7 }, { type: 'inbound-rtp', bytesReceived: 99 }])).toBe(
    12,
  );
  expect(inboundBytes([pair, { id: 't', type: 'transport', bytesReceived: 20 }])).toBe(20);
  expect(inboundBytes([])).toBe(0);
});

describe('MeshChannel', () => {
  it('reaches those with whom it is open', () => {
    const send = vi.fn(() => true);
    const channel = new MeshChannel(send);
    const events: string[] = [];
    channel.on('open', (id) => events.push(`open ${id}`));
    const stop = channel.on('close', (id) => events.push(`close ${id}`));
    expect(channel.send('a', Uint8Array.of(1))).toBe(false);
    channel.handleOpened('a');
    channel.handleOpened('b');
    channel.handleClosed('b');
    channel.handleClosed('b');
    expect(channel.send('a', Uint8Array.of(1))).toBe(true);
    channel.broadcast(Uint8Array.of(2));
    expect(send.mock.calls).toEqual([
      ['a', Uint8Array.of(1)],
      ['a', Uint8Array.of(2)],
    ]);
    stop();
    channel.handleClosed('a');
    expect(events).toEqual(['open a', 'open b', 'close b']);
    expect([...channel.peers]).toEqual([]);
  });
});

describe('events', () => {
  it('reach every handler until it unsubscribes, also when one throws', () => {
    const reported = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => undefined);
    const emitter = new Emitter<{ hit: (value: number) => void }>();
    const seen: number[] = [];
    emitter.on('hit', () => {
      throw new Error('of the app');
    });
    const stop = emitter.on('hit', (value) => seen.push(value));
    emitter.emit('hit', 1);
    stop();
    emitter.emit('hit', 2);
    expect(seen).toEqual([1]);
    expect(reported).toHaveBeenCalledTimes(2);
    reported.mockRestore();
  });

  it('let a listener unsubscribe while it is told', () => {
    const listeners = new Listeners();
    let count = 0;
    const stop = listeners.add(() => {
      count += 1;
      stop();
    });
    listeners.notify();
    listeners.notify();
    expect(count).toBe(1);
  });
});

describe('errors', () => {
  it('carry what the app needs', () => {
    expect(new StoaError('server_full', 'full', 500)).toMatchObject({
      code: 'server_full',
      retryable: true,
      i18nKey: 'error.server_full',
      retryAfterMs: 500,
    });
    expect('retryAfterMs' in new StoaError('bad_name')).toBe(false);
    expect(new DeviceError('insecure', 'camera')).toMatchObject({ retryable: false, i18nKey: 'device.insecure' });
  });
});

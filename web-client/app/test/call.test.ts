import { describe, expect, it } from 'vitest';
import { connectionWords, newsOf, tileState, type Heard } from '../src/call/changes';

const bob: Heard = {
  name: 'Bob',
  link: 'connected',
  path: 'direct',
  connected: true,
  isSelf: false,
  moderator: false,
  media: { microphone: true, camera: true, screen: false },
};

describe('words on a tile', () => {
  it('there are none while all is well, nor on the own tile', () => {
    expect(tileState(bob)).toBeNull();
    expect(tileState({ ...bob, isSelf: true, link: 'none', connected: false })).toBeNull();
  });

  it.each([
    [{ link: 'connecting' }, 'Connecting…'],
    [{ link: 'none' }, 'Connecting…'],
    [{ link: 'interrupted' }, 'Connection interrupted, repairing…'],
    [{ link: 'failed' }, 'No connection, trying again…'],
    [{ connected: false }, 'Reconnecting…'],
    [{ connected: false, link: 'interrupted' }, 'Connection interrupted, repairing…'],
  ] as const)('%o', (change, words) => expect(tileState({ ...bob, ...change })).toBe(words));
});

describe('the connection in the list of people', () => {
  it.each([
    [{}, 'Direct'],
    [{ path: 'relayed' }, 'Relayed'],
    [{ path: 'server' }, 'Through the server'],
    [{ path: 'server-relayed' }, 'Through the server, relayed'],
    [{ path: 'unknown' }, 'Connected'],
    [{ link: 'interrupted' }, 'Connection interrupted, repairing…'],
    [{ link: 'connecting', path: 'unknown' }, 'Connecting…'],
    [{ connected: false }, 'Reconnecting…'],
    [{ isSelf: true, link: 'none' }, null],
  ] as const)('%o', (change, words) => expect(connectionWords({ ...bob, ...change })).toBe(words));
});

describe('what is news', () => {
  it('is nothing when nothing that matters changed', () => {
    expect(newsOf(bob, { ...bob })).toEqual([]);
    expect(newsOf(undefined, bob)).toEqual([]);
    expect(newsOf(bob, { ...bob, media: { microphone: false, camera: true, screen: false } })).toEqual([]);
  });

  it.each([
    ['connecting', 'connected', ['linkUp']],
    ['connected', 'interrupted', ['linkInterrupted']],
    ['connected', 'connecting', ['linkInterrupted']],
    ['none', 'connecting', []],
    ['interrupted', 'failed', ['linkLost']],
  ] as const)('a link from %s to %s', (before, now, kinds) => {
    const news = newsOf({ ...bob, link: before }, { ...bob, link: now });
    expect(news).toEqual(kinds.map((kind) => ({ kind, name: 'Bob' })));
  });

  it('is who moderates now, oneself included', () => {
    expect(newsOf(bob, { ...bob, moderator: true })).toEqual([{ kind: 'moderates', name: 'Bob' }]);
    const self = { ...bob, isSelf: true };
    expect(newsOf(self, { ...self, moderator: true })).toEqual([{ words: 'You are a moderator now.' }]);
    expect(newsOf({ ...bob, moderator: true }, bob)).toEqual([]);
  });

  it('is a new name, a lost server, and a screen', () => {
    expect(newsOf(bob, { ...bob, name: 'Rob', connected: false })).toEqual([
      { words: 'Bob is now Rob.' },
      { kind: 'signalLost', name: 'Rob' },
    ]);
    const sharing = { ...bob, media: { ...bob.media, screen: true } };
    expect(newsOf(bob, sharing)).toEqual([{ kind: 'shares', name: 'Bob' }]);
    expect(newsOf(sharing, bob)).toEqual([{ kind: 'sharesNoMore', name: 'Bob' }]);
  });
});

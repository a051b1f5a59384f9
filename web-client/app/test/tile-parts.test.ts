import { StoaError, type TrackStats } from '@stoa/client';
import { describe, expect, it } from 'vitest';
import { findPeople } from '../src/call/find-people';
import { sharingProblem } from '../src/call/screen-share';
import { bitrateWords, pictureRows, soundRows, wayRows } from '../src/call/stats-words';
import { tileOf, type Shown } from '../src/call/tile-size';

describe('the size that is asked for', () => {
  const shown: Shown = {
    width: 320.4,
    height: 180,
    ratio: 2,
    isInView: true,
    isPageVisible: true,
    isLarge: false,
  };

  it('is that of the element in device pixels', () => {
    expect(tileOf(shown)).toEqual({ width: 641, height: 360, priority: 100 });
    expect(tileOf({ ...shown, isLarge: true })?.priority).toBe(200);
  });

  it.each([{ isInView: false }, { isPageVisible: false }, { width: 0, height: 0 }])('is none with %o', (change) =>
    expect(tileOf({ ...shown, ...change })).toBeNull(),
  );
});

describe('statistics in words', () => {
  const stats: TrackStats = {
    codec: 'vp8',
    width: 640,
    height: 360,
    framesPerSecond: 23.8,
    bitrate: 481_200,
    packetsLost: 0.0042,
    roundTripTime: 0.0351,
    jitterBufferDelay: 0.06,
    path: 'server',
    layer: 1,
    limitation: 'size',
  };
  const words = (rows: readonly { label: string; value: string }[]) =>
    Object.fromEntries(rows.map(({ label, value }) => [label, value]));

  it('tell all of a received picture', () => {
    expect(words(pictureRows(stats, false))).toEqual({
      Size: '640 × 360',
      'Pictures per second': '24',
      Format: 'VP8',
      Received: '481 kbit/s',
      'Lost on the way': '0.4 %',
      'Held back for smoothness': '60 ms',
      Version: 'medium',
      'Held down by': 'its size on the page',
    });
    expect(words(wayRows(stats))).toEqual({ Way: 'Through the server', 'There and back': '35 ms' });
  });

  it('leave out what is not known, and what sound has not', () => {
    const unknown: TrackStats = {
      ...stats,
      codec: null,
      width: null,
      height: null,
      framesPerSecond: null,
      bitrate: null,
      packetsLost: null,
      roundTripTime: null,
      jitterBufferDelay: null,
      path: 'unknown',
      layer: null,
      limitation: 'none',
    };
    expect(words(pictureRows(unknown, true))).toEqual({ 'Held down by': 'nothing' });
    expect(wayRows(unknown)).toEqual([]);
    expect(soundRows(unknown, true)).toEqual([]);
    expect(words(soundRows({ ...stats, codec: 'opus', packetsLost: 0 }, true))).toEqual({
      Format: 'OPUS',
      Sent: '481 kbit/s',
      'Lost on the way': '0 %',
      'Held back for smoothness': '60 ms',
    });
  });

  it.each([
    [0, '0 kbit/s'],
    [999_400, '999 kbit/s'],
    [1_940_000, '1.9 Mbit/s'],
  ])('%d bit/s are %s', (rate, expected) => expect(bitrateWords(rate)).toBe(expected));
});

describe('sharing that does not begin', () => {
  it('is not spoken of when the user said no', () => {
    expect(sharingProblem(new StoaError('screen_denied'))).toBeNull();
  });

  it('is told otherwise', () => {
    expect(sharingProblem(new StoaError('screen_failed'))?.title).toBe('Your screen could not be shared');
    expect(sharingProblem(new TypeError('?'))?.title).toBe('Your screen could not be shared');
  });
});

describe('finding people', () => {
  const people = ['Ada', 'Zoë', 'Łukasz', 'Ada Byron'].map((name) => ({ name }));
  const found = (wanted: string) => findPeople(people, wanted).map(({ name }) => name);

  it.each([
    ['', ['Ada', 'Zoë', 'Łukasz', 'Ada Byron']],
    ['  ', ['Ada', 'Zoë', 'Łukasz', 'Ada Byron']],
    ['ada', ['Ada', 'Ada Byron']],
    ['zoe', ['Zoë']],
    ['x', []],
  ])('"%s"', (wanted, expected) => expect(found(wanted)).toEqual(expected));
});

import { describe, expect, it } from 'vitest';
import { EXPIRIES, invitationLink } from '../src/call/invitation';
import { decodeCall, encodeCall, RETURN_WITHIN_MS } from '../src/call/returning';
import { decodeVolumes, setVolume, volumeOf } from '../src/call/volume';
import { fragmentOf, keepPass, parsePass, recallPass } from '../src/pass';

describe('the call that a tab was in', () => {
  const record = { name: 'Ada', wanted: { microphone: false, camera: true } };
  const stored = encodeCall(record, 1000);

  it('comes back as it was, for as long as the server waits', () => {
    expect(decodeCall(stored, 1000)).toEqual(record);
    expect(decodeCall(stored, 1000 + RETURN_WITHIN_MS)).toEqual(record);
    expect(decodeCall(stored, 1001 + RETURN_WITHIN_MS)).toBeNull();
  });

  it('is not believed if it is from the future, or no record at all', () => {
    expect(decodeCall(stored, 999)).toBeNull();
    for (const json of [null, '', '{', '[]', 'null', '"Ada"', '{"name":"Ada"}', '{"name":"","at":1}']) {
      expect(decodeCall(json, 1)).toBeNull();
    }
  });

  it('leaves off what is not plainly on', () => {
    const odd = JSON.stringify({ name: 'Ada', microphone: 'true', at: 5 });
    expect(decodeCall(odd, 5)?.wanted).toEqual({ microphone: false, camera: false });
  });
});

describe('a pass in a link', () => {
  it.each([
    ['#invite=abc', { invite: 'abc' }],
    ['#token=x.y-z_1', { token: 'x.y-z_1' }],
    ['#invite=a&token=b', { invite: 'a', token: 'b' }],
    ['#invite=a%2Bb', { invite: 'a+b' }],
    ['#invite=', null],
    ['#top', null],
    ['', null],
  ])('%s', (fragment, pass) => expect(parsePass(fragment)).toEqual(pass));

  it('survives the way through an invitation link', () => {
    const link = invitationLink('https://meet.example', 'amber', 'a+b/c=&d');
    expect(link.startsWith('https://meet.example/r/amber#invite=')).toBe(true);
    expect(parsePass(new URL(link).hash)).toEqual({ invite: 'a+b/c=&d' });
    expect(parsePass(fragmentOf({ invite: 'i', token: 't' }))).toEqual({ invite: 'i', token: 't' });
  });

  it('is kept for its room alone, even where nothing can be stored', () => {
    keepPass('amber', { invite: 'abc' });
    expect(recallPass('amber')).toEqual({ invite: 'abc' });
    expect(recallPass('azure')).toEqual({});
  });
});

it('invitations last an hour, a day or a week', () => {
  expect(EXPIRIES).toEqual({ hour: 3_600_000, day: 86_400_000, week: 604_800_000 });
});

describe('volumes', () => {
  it('are full unless set, and stay within 0 and 100', () => {
    expect(volumeOf('p1')).toBe(100);
    setVolume('p1', 35);
    setVolume('p2', -5);
    setVolume('p3', Number.NaN);
    expect([volumeOf('p1'), volumeOf('p2'), volumeOf('p3')]).toEqual([35, 0, 100]);
  });

  it('read from storage are checked', () => {
    expect([...decodeVolumes('{"a":40,"b":400,"c":"x","d":12.4}')]).toEqual([
      ['a', 40],
      ['b', 100],
      ['d', 12],
    ]);
    expect(decodeVolumes('nonsense').size).toBe(0);
  });
});

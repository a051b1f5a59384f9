import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScreenShare } from '../src/media/screen-share';

class ScreenTrack extends EventTarget {
  contentHint = '';
  isStopped = false;
  constructor(readonly kind: 'audio' | 'video') {
    super();
  }
  stop(): void {
    this.isStopped = true;
  }
}

const streamOf = (...tracks: ScreenTrack[]) => ({
  getTracks: () => tracks,
  getVideoTracks: () => tracks.filter(({ kind }) => kind === 'video'),
});

describe('ScreenShare', () => {
  const changed = vi.fn();
  let ask: () => Promise<unknown>;
  let share: ScreenShare;
  let picture: ScreenTrack;
  let sound: ScreenTrack;

  beforeEach(() => {
    changed.mockReset();
    [picture, sound] = [new ScreenTrack('video'), new ScreenTrack('audio')];
    ask = vi.fn(() => Promise.resolve(streamOf(picture, sound)));
    vi.stubGlobal('navigator', { mediaDevices: { getDisplayMedia: () => ask() } });
    share = new ScreenShare(changed);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('asks once, and for sharp text', async () => {
    await Promise.all([share.start(), share.start()]);
    await share.start();
    expect(ask).toHaveBeenCalledTimes(1);
    expect(picture.contentHint).toBe('detail');
    expect(share.stream?.getTracks()).toHaveLength(2);
    expect(changed).toHaveBeenCalledTimes(1);
  });

  it('ends with all its tracks, by us or by the browser', async () => {
    await share.start();
    share.stop();
    expect([share.stream, picture.isStopped, sound.isStopped]).toEqual([null, true, true]);
    [picture, sound] = [new ScreenTrack('video'), new ScreenTrack('audio')];
    await share.start();
    picture.dispatchEvent(new Event('ended'));
    expect([share.stream, sound.isStopped]).toEqual([null, true]);
    expect(changed).toHaveBeenCalledTimes(4);
  });

  it('is not shared if it was stopped while the user was being asked', async () => {
    const starting = share.start();
    share.stop();
    await starting;
    expect([share.stream, picture.isStopped]).toEqual([null, true]);
  });

  it.each([
    [new DOMException('no', 'NotAllowedError'), 'screen_denied'],
    [new DOMException('busy', 'NotReadableError'), 'screen_failed'],
  ])('tells why not: %s', async (error, code) => {
    ask = () => Promise.reject(error);
    await expect(share.start()).rejects.toMatchObject({ code });
    // And may be tried again.
    ask = () => Promise.resolve(streamOf(picture));
    await share.start();
    expect(share.stream).not.toBeNull();
  });

  it('says when the browser has no such thing, or gives no picture', async () => {
    ask = () => Promise.resolve(streamOf(sound));
    await expect(share.start()).rejects.toMatchObject({ code: 'screen_failed' });
    expect(sound.isStopped).toBe(true);
    vi.stubGlobal('navigator', {});
    await expect(share.start()).rejects.toMatchObject({ code: 'screen_unsupported' });
  });
});

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Playout } from '../src/playout';
import type { TrackSource } from '../src/signal/wire';
import { FakeStream, FakeTrack } from './fake-media';

vi.stubGlobal('MediaStream', FakeStream);

const ALL = { microphone: true, camera: true, screen: true };
const audio = (id: string) => new FakeTrack('audio', id);
const video = (id: string) => new FakeTrack('video', id);

describe('Playout', () => {
  const changed = vi.fn();
  let playout: Playout;
  const put = (mode: 'mesh' | 'sfu', source: TrackSource, track: FakeTrack | null) =>
    playout.setTrack(mode, source, track?.asTrack ?? null);
  const playing = () => (playout.stream.getTracks() as unknown as FakeTrack[]).map(({ id }) => id);

  beforeEach(() => {
    changed.mockReset();
    playout = new Playout(changed);
    playout.setMedia(ALL);
  });

  it('plays the old way until something comes on the new one, and never both', () => {
    const [link, server] = [audio('link').flow(), audio('server')];
    put('mesh', 'microphone', link);
    expect([playing(), playout.dependsOn('mesh')]).toEqual([['link'], true]);
    playout.prefer('sfu');
    put('sfu', 'microphone', server);
    expect([playing(), link.enabled, server.enabled]).toEqual([['link'], true, false]);
    const { stream } = playout;
    server.flow();
    expect([playing(), link.enabled, server.enabled]).toEqual([['server'], false, true]);
    expect([playout.dependsOn('mesh'), playout.dependsOn('sfu')]).toEqual([false, true]);
    expect(changed).toHaveBeenCalledTimes(1);
    expect(playout.stream).toBe(stream);
    put('mesh', 'microphone', null);
    link.flow();
    expect([playing(), link.enabled]).toEqual([['server'], false]);
  });

  it('swaps each source for itself', () => {
    put('mesh', 'microphone', audio('link sound').flow());
    put('mesh', 'camera', video('link picture').flow());
    playout.prefer('sfu');
    put('sfu', 'microphone', audio('server sound').flow());
    put('sfu', 'camera', video('server picture'));
    expect(playing()).toEqual(['link picture', 'server sound']);
  });

  it('goes back to what comes when the new way loses its track', () => {
    put('mesh', 'camera', video('link').flow());
    playout.prefer('sfu');
    const server = video('server').flow();
    put('sfu', 'camera', server);
    expect(playing()).toEqual(['server']);
    playout.dropTrack('sfu', 'camera', video('another').asTrack);
    expect(playing()).toEqual(['server']);
    playout.dropTrack('sfu', 'camera', server.asTrack);
    expect(playing()).toEqual(['link']);
  });

  it('plays nothing that its participant does not say to publish', () => {
    const [sound, picture] = [audio('sound').flow(), video('picture').flow()];
    put('mesh', 'microphone', sound);
    put('mesh', 'camera', picture);
    playout.setMedia({ microphone: false, camera: true, screen: false });
    expect([sound.enabled, picture.enabled]).toEqual([false, true]);
    playout.setMedia({ microphone: false, camera: false, screen: false });
    expect(playout.dependsOn('mesh')).toBe(false);
  });

  it('shows a screen while it is shared and its picture is there', () => {
    expect(playout.screen).toBeNull();
    put('sfu', 'screen_audio', audio('sound').flow());
    expect(playout.screen).toBeNull();
    put('sfu', 'screen', video('screen'));
    const { screen } = playout;
    expect((screen?.getTracks() as unknown as FakeTrack[]).map(({ id }) => id)).toEqual(['sound', 'screen']);
    playout.setMedia({ ...ALL, screen: false });
    expect(playout.screen).toBeNull();
    playout.setMedia(ALL);
    expect(playout.screen).toBe(screen);
  });
});

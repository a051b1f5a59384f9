import { beforeEach, describe, expect, it } from 'vitest';
import { MeshChannel } from '../src/channel';
import { SwitchedChannel } from '../src/channel-switch';

const BYTES = Uint8Array.of(1);

describe('SwitchedChannel', () => {
  let log: string[];
  let links: MeshChannel;
  let channel: SwitchedChannel;
  const star = {
    isOpen: true,
    send: (to: string) => {
      log.push(`star ${to}`);
      return true;
    },
  };
  const present = (...ids: string[]) => channel.setPresent(new Set(ids), new Set(['mute']));
  const took = () => log.splice(0);

  beforeEach(() => {
    log = [];
    star.isOpen = true;
    links = new MeshChannel((to) => {
      log.push(`link ${to}`);
      return true;
    });
    channel = new SwitchedChannel(links);
    channel.on('open', (id) => log.push(`open ${id}`));
    channel.on('close', (id) => log.push(`close ${id}`));
    channel.on('message', (id) => log.push(`from ${id}`));
  });

  it('takes the links as long as there is no star', () => {
    present('a', 'b');
    links.handleOpened('a');
    channel.broadcast(BYTES);
    expect(channel.send('b', BYTES)).toBe(false);
    links.handleMessage('a', BYTES);
    links.handleClosed('a');
    links.handleMessage('a', BYTES);
    expect(took()).toEqual(['open a', 'link a', 'from a', 'close a']);
  });

  it('opens everybody anew on the star, and back again', () => {
    present('a', 'b');
    links.handleOpened('a');
    took();
    channel.setStar(star);
    expect(took()).toEqual(['close a', 'open a', 'open b']);
    channel.broadcast(BYTES);
    expect(took()).toEqual(['star a', 'star b']);
    // What is still under way on the link counts.
    links.handleMessage('a', BYTES);
    links.handleClosed('a');
    expect(took()).toEqual(['from a']);
    links.handleOpened('a');
    channel.setStar(null);
    expect(took()).toEqual(['close a', 'open a', 'close b']);
  });

  it('has no star while that is not open', () => {
    present('a');
    star.isOpen = false;
    channel.setStar(star);
    expect(took()).toEqual([]);
    star.isOpen = true;
    channel.setStar(star);
    expect([took(), [...channel.peers]]).toEqual([['open a'], ['a']]);
  });

  it('does not listen to who may not send data or is not there', () => {
    present('a', 'mute');
    channel.setStar(star);
    took();
    for (const id of ['a', 'mute', 'nobody']) {
      channel.handleStarMessage(id, BYTES);
    }
    expect(took()).toEqual(['from a']);
  });

  it('opens anew who lost something', () => {
    present('a');
    channel.setStar(star);
    took();
    channel.handleStarGap('a');
    channel.handleStarGap('nobody');
    expect(took()).toEqual(['close a', 'open a']);
  });

  it('leaves large rooms to the server', () => {
    channel.setStar(star);
    present('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    expect(channel.peers.size).toBe(8);
    present('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    expect(channel.peers.size).toBe(0);
  });
});

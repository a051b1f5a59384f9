import { describe, expect, it } from 'vitest';
import clientFrames from '../../../signaling/testdata/client-frames.json';
import serverFrames from '../../../signaling/testdata/server-frames.json';
import { parseServerFrame } from '../src/signal/parse';
import type { ClientMessage, ServerMessage } from '../src/signal/wire';

const SERVER_TYPES: Record<ServerMessage['type'], true> = {
  welcome: true,
  ok: true,
  error: true,
  pong: true,
  participant_joined: true,
  participant_changed: true,
  participant_left: true,
  room_changed: true,
  chat: true,
  chat_entries: true,
  muted: true,
  invited: true,
  token_expiring: true,
  description: true,
  candidate: true,
  topology_changed: true,
  sfu_answer: true,
  sfu_refused: true,
  sfu_slots: true,
  sfu_seated: true,
  sfu_closed: true,
  track_published: true,
  track_ended: true,
  speakers: true,
  reconnect: true,
};

const CLIENT_TYPES: Record<ClientMessage['type'], true> = {
  hello: true,
  ack: true,
  ping: true,
  leave: true,
  rename: true,
  media: true,
  refresh: true,
  mute: true,
  remove: true,
  lock: true,
  invite: true,
  chat: true,
  chat_history: true,
  set_chat: true,
  description: true,
  candidate: true,
  sfu_offer: true,
  sfu_wish: true,
  sfu_close: true,
};

describe('golden frames shared with the server', () => {
  it.each(serverFrames)('reads the server frame "$name"', ({ frame }) => {
    expect(parseServerFrame(JSON.stringify(frame))).toEqual(frame);
  });

  it('cover every message of the server', () => {
    expect(new Set(serverFrames.map(({ frame }) => frame.type))).toEqual(new Set(Object.keys(SERVER_TYPES)));
  });

  it('cover every message of the client', () => {
    expect(new Set(clientFrames.map(({ frame }) => frame.type))).toEqual(new Set(Object.keys(CLIENT_TYPES)));
  });
});

describe('parseServerFrame', () => {
  it.each([
    ['not JSON', '{'],
    ['no object', '[1]'],
    ['null', 'null'],
    ['no seq', '{"type":"pong"}'],
    ['a fraction as seq', '{"type":"pong","seq":1.5}'],
    ['a negative seq', '{"type":"pong","seq":-1}'],
    ['a seq beyond safe integers', '{"type":"pong","seq":9007199254740993}'],
    ['a text as cid', '{"type":"ok","seq":1,"cid":"1"}'],
    ['an unknown type', '{"type":"teleport","seq":1}'],
    ['a type inherited from Object', '{"type":"constructor","seq":1}'],
    ['a message without its fields', '{"type":"participant_left","seq":1,"reason":"left"}'],
    ['a source that cannot be muted', '{"type":"muted","seq":1,"source":"speaker","by":"a"}'],
    ['a field of the wrong kind', '{"type":"reconnect","seq":0,"after_ms":"soon"}'],
    [
      'a description of no known kind',
      '{"type":"description","seq":1,"from":"a","link":1,"description":{"type":"rollback","sdp":""}}',
    ],
  ])('refuses %s', (_name, text) => {
    expect(parseServerFrame(text)).toBeNull();
  });

  it('ignores unknown fields', () => {
    expect(parseServerFrame('{"type":"pong","seq":0,"new":1}')).not.toBeNull();
  });
});

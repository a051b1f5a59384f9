import type { Page } from '@playwright/test';
import { trimOffer } from '../../web-client/sdk/src/sfu/offer-sdp.js';
import { expect, freshRoom, test } from './fixtures.js';

/**
 * What the server asks a participant to receive in, at most: a hundred others, and as many of their pictures as fit.
 * Of what Firefox offers the server takes the first 128 sections, two of which it sends in.
 */
const MOST = { chromium: { audio: 100, video: 80 }, firefoxEsr: { audio: 100, video: 26 } };
/** What a client may say in one frame, in bytes. */
const FRAME_BYTES = 256 * 1024;

interface Connection {
  rtc: RTCPeerConnection;
}

/** An offer to send a microphone, a camera in three sizes and data, and to receive so much. */
function makeOffer(page: Page, most: { audio: number; video: number }): Promise<string> {
  return page.evaluate(async ({ audio, video }) => {
    const rtc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    (window as unknown as Connection).rtc = rtc;
    rtc.addTransceiver('audio', { direction: 'sendonly' });
    const sendEncodings = ['q', 'h', 'f'].map((rid) => ({ rid }));
    rtc.addTransceiver('video', { direction: 'sendonly', sendEncodings });
    rtc.createDataChannel('docs', { negotiated: false });
    for (let count = 0; count < audio; count += 1) rtc.addTransceiver('audio', { direction: 'recvonly' });
    for (let count = 0; count < video; count += 1) rtc.addTransceiver('video', { direction: 'recvonly' });
    await rtc.setLocalDescription();
    return rtc.localDescription!.sdp;
  }, most);
}

/** Enters a room and says `frame`; how the sections stand once the server's answer was taken, or what the server said else. */
function negotiate(page: Page, room: string, frame: string): Promise<{ received: number; bytes: number } | string> {
  return page.evaluate(
    async ({ room, frame }) => {
      const socket = new WebSocket(`ws://${location.host}/v1/ws`, 'stoa.v1.json');
      const answer = await new Promise<string>((resolve) => {
        socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', room, name: 'Ada', media: {} }));
        socket.onclose = ({ code, reason }) => resolve(`closed: ${code} ${reason}`);
        socket.onmessage = ({ data }: MessageEvent<string>) => {
          const { type } = JSON.parse(data);
          if (type === 'welcome') socket.send(frame);
          if (['sfu_answer', 'sfu_refused', 'error'].includes(type)) resolve(data);
        };
      });
      if (!answer.startsWith('{')) return answer;
      const { type, sdp } = JSON.parse(answer);
      if (type !== 'sfu_answer') return answer;
      const { rtc } = window as unknown as Connection;
      await rtc.setRemoteDescription({ type: 'answer', sdp });
      const received = rtc.getTransceivers().filter(({ currentDirection }) => currentDirection === 'recvonly').length;
      socket.close();
      rtc.close();
      return { received, bytes: answer.length };
    },
    { room, frame },
  );
}

for (const name of ['chromium', 'firefoxEsr'] as const) {
  test(`a connection with a place for everybody is agreed on in one frame each way, with ${name}`, async ({
    startServer,
    pages,
    chromium,
    firefoxEsr,
  }) => {
    const server = await startServer({ STOA_ROOMS_MESH_MAX: '0' });
    const page = await pages.open({ chromium, firefoxEsr }[name]);
    await page.goto(server.url);
    const sdp = trimOffer(await makeOffer(page, MOST[name]));
    const frame = JSON.stringify({ type: 'sfu_offer', connection: 7, offer_id: 1, sdp, tracks: [] });
    expect(frame.length).toBeLessThan(FRAME_BYTES);
    const agreed = await negotiate(page, freshRoom(), frame);
    test.info().annotations.push({ type: 'bytes', description: `${frame.length} ${JSON.stringify(agreed)}` });
    expect(agreed).toMatchObject({ received: MOST[name].audio + MOST[name].video });
  });
}

import type { Page } from '@playwright/test';

/** What a page sends instead of a camera and a microphone: a picture that can be checked by content, and a tone. */
export interface Synthetic {
  /** Colour of the picture's upper half: red, green and blue, 0 to 255. */
  colour: [number, number, number];
  /** Tone, in hertz. */
  hertz: number;
  /** Of the picture, in pixels; 640 and 360 if absent. */
  width?: number;
  height?: number;
  /** Frames per second; 30 if absent. */
  rate?: number;
  /** Whether the picture flashes white once a second, and the tone is heard only meanwhile. */
  beats?: boolean;
}

/** Replaces getUserMedia before the page's own scripts run, and getDisplayMedia if `screen` says what is on it. */
export async function useSyntheticMedia(page: Page, synthetic: Synthetic, screen?: Synthetic): Promise<void> {
  await page.addInitScript(replaceDevices, { synthetic, screen });
}

/** Runs in the page. The lower half of the picture counts frames in eight squares. */
function replaceDevices({ synthetic, screen }: { synthetic: Synthetic; screen: Synthetic | undefined }): void {
  const gains: GainNode[] = [];
  const video = ({ colour, width = 640, height = 360, rate = 30, beats = false }: Synthetic): MediaStreamTrack => {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    const context = canvas.getContext('2d')!;
    // Whoever goes on after a reload, or with the camera off and on, counts on from about there.
    let frame = Math.floor((Date.now() * rate) / 1000) % 256;
    setInterval(() => {
      frame = (frame + 1) % 256;
      const isBeat = beats && Date.now() % 1000 < 200;
      // In the same moment.
      if (beats) for (const { gain } of gains) gain.value = isBeat ? 0.5 : 0;
      context.fillStyle = isBeat ? 'white' : `rgb(${colour.join(',')})`;
      context.fillRect(0, 0, width, height / 2);
      for (let bit = 0; bit < 8; bit += 1) {
        context.fillStyle = (frame >> bit) & 1 ? 'white' : 'black';
        context.fillRect((bit * width) / 8, height / 2, width / 8, height / 2);
      }
    }, 1000 / rate);
    return canvas.captureStream(rate).getVideoTracks()[0]!;
  };
  const audio = ({ hertz }: Synthetic): MediaStreamTrack => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, { frequency: hertz });
    const destination = context.createMediaStreamDestination();
    const gain = new GainNode(context, { gain: 0.5 });
    gains.push(gain);
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    return destination.stream.getAudioTracks()[0]!;
  };
  // Scripts run on about:blank too, which is no secure page.
  if (!navigator.mediaDevices) return;
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const tracks: MediaStreamTrack[] = [];
    if (constraints?.audio) tracks.push(audio(synthetic));
    if (constraints?.video) tracks.push(video(synthetic));
    return new MediaStream(tracks);
  };
  if (screen === undefined) return;
  navigator.mediaDevices.getDisplayMedia = async () => new MediaStream([video(screen), audio(screen)]);
}

/** What a participant's tile shows and sounds like. */
export interface Seen {
  colour: [number, number, number];
  /** Frame counters in the order they were displayed. */
  counters: number[];
  /** Strongest frequency, in hertz; 0 for silence. */
  hertz: number;
}

/** Watches the `<video>` in the tile of `name` for some frames and listens to its track. */
export async function watch(page: Page, name: string, frames = 30): Promise<Seen> {
  const video = page.getByRole('group', { name, exact: true }).locator('video');
  return video.evaluate(async (element: HTMLVideoElement, frames: number) => {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 64, height: 36 });
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    const counters: number[] = [];
    let colour: [number, number, number] = [0, 0, 0];
    while (counters.length < frames) {
      await new Promise((resolve) => element.requestVideoFrameCallback(resolve));
      context.drawImage(element, 0, 0, 64, 36);
      const at = (x: number, y: number): [number, number, number] => {
        const [red = 0, green = 0, blue = 0] = context.getImageData(x, y, 1, 1).data;
        return [red, green, blue];
      };
      colour = at(32, 9);
      counters.push([...Array(8).keys()].reduce((sum, bit) => sum + (at(bit * 8 + 4, 27)[1] > 128 ? 1 << bit : 0), 0));
    }
    const audio = new AudioContext();
    const analyser = new AnalyserNode(audio, { fftSize: 8192 });
    audio
      .createMediaStreamSource(new MediaStream((element.srcObject as MediaStream).getAudioTracks()))
      .connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    let hertz = 0;
    // The analyser needs a full window of sound before its strongest bin means anything. A busy machine has gaps.
    for (let turn = 0; turn < 240 && hertz === 0; turn += 1) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      analyser.getFloatFrequencyData(bins);
      const strongest = bins.indexOf(Math.max(...bins));
      if (turn > 30 && bins[strongest]! > -60) hertz = (strongest * audio.sampleRate) / analyser.fftSize;
    }
    await audio.close();
    return { colour, counters, hertz };
  }, frames);
}

/**
 * How much later than the flashes of `name` (see `beats`) the beeps are heard in `page`, in milliseconds: the middle one
 * of so many.
 */
export async function beepsAfterFlashes(page: Page, name: string, count = 7): Promise<number> {
  const video = page.getByRole('group', { name, exact: true }).locator('video');
  return video.evaluate(async (element: HTMLVideoElement, count: number) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 16, height: 16 });
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    const audio = new AudioContext();
    const analyser = new AnalyserNode(audio, { fftSize: 256 });
    audio
      .createMediaStreamSource(new MediaStream((element.srcObject as MediaStream).getAudioTracks()))
      .connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const beeps: number[] = [];
    const flashes: number[] = [];
    let [isHeard, isSeen] = [true, true];
    const listening = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const was = isHeard;
      isHeard = samples.some((sample) => Math.abs(sample) > 0.1);
      if (isHeard && !was) beeps.push(performance.now());
    }, 5);
    while (flashes.length <= count) {
      const shown = await new Promise<number>((resolve) =>
        element.requestVideoFrameCallback((_, { expectedDisplayTime }) => resolve(expectedDisplayTime)),
      );
      context.drawImage(element, 0, 0, 16, 16);
      const was = isSeen;
      isSeen = [...context.getImageData(8, 4, 1, 1).data].every((value) => value > 190);
      if (isSeen && !was) flashes.push(shown);
    }
    clearInterval(listening);
    await audio.close();
    const nearest = (flash: number): number =>
      beeps.map((beep) => beep - flash).sort((a, b) => Math.abs(a) - Math.abs(b))[0] ?? NaN;
    // The last beep may be yet to come.
    const apart = flashes.slice(0, -1).map(nearest);
    return apart.sort((a, b) => a - b)[Math.floor(apart.length / 2)]!;
  }, count);
}

/** Waits until `page` has displayed this many further frames of `name`. */
export async function expectFrames(page: Page, name: string, frames = 10): Promise<void> {
  const video = page.getByRole('group', { name, exact: true }).locator('video');
  await video.evaluate(async (element: HTMLVideoElement, frames: number) => {
    for (let frame = 0; frame < frames; frame += 1) {
      await new Promise((resolve) => element.requestVideoFrameCallback(resolve));
    }
  }, frames);
}

import { FakeTrack } from './fake-media';

/** A transceiver whose section has a mid once an offer was set. */
export class FakeTransceiver {
  mid: string | null = null;
  readonly sent: (MediaStreamTrack | null)[] = [];
  readonly receiver: { track: FakeTrack };
  readonly sender = {
    replaceTrack: (track: MediaStreamTrack | null) => {
      this.sent.push(track);
      return Promise.resolve();
    },
    getParameters: () => ({ encodings: this.encodings }),
    setParameters: ({ encodings }: { encodings: RTCRtpEncodingParameters[] }) => {
      this.encodings = encodings;
      return Promise.resolve();
    },
  };
  /** As set last. */
  encodings: RTCRtpEncodingParameters[];

  constructor(
    readonly kind: 'audio' | 'video',
    readonly init: RTCRtpTransceiverInit,
  ) {
    this.receiver = { track: new FakeTrack(kind) };
    this.encodings = init.sendEncodings ?? [];
  }

  setCodecPreferences = (): void => undefined;
}

/** A connection that does as it is told; states are set by the test. */
export class FakePeerConnection {
  static all: FakePeerConnection[] = [];
  connectionState: RTCPeerConnectionState = 'new';
  iceConnectionState: RTCIceConnectionState = 'new';
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  localDescription: { sdp: string } | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  readonly log: string[] = [];
  readonly channel: Partial<RTCDataChannel> & { onopen?: (() => void) | null } = {
    readyState: 'connecting',
    close: () => undefined,
  };

  constructor() {
    FakePeerConnection.all.push(this);
  }

  static get last(): FakePeerConnection {
    const last = FakePeerConnection.all.at(-1);
    if (last === undefined) throw new Error('there is no connection');
    return last;
  }

  addTransceiver(what: string | { kind: string }, init: RTCRtpTransceiverInit): FakeTransceiver {
    const kind = (typeof what === 'string' ? what : what.kind) === 'audio' ? 'audio' : 'video';
    const transceiver = new FakeTransceiver(kind, init);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  setLocalDescription(description?: { type: string }): Promise<void> {
    this.log.push(description?.type ?? 'offer');
    this.transceivers.forEach((transceiver, index) => {
      transceiver.mid ??= String(index);
    });
    this.localDescription = { sdp: `offer of ${this.transceivers.length}` };
    return Promise.resolve();
  }

  setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.log.push(sdp);
    return sdp === 'nonsense' ? Promise.reject(new Error('cannot read it')) : Promise.resolve();
  }

  become(state: 'connected' | 'disconnected' | 'failed'): void {
    this.connectionState = state;
    this.iceConnectionState = state;
    this.onconnectionstatechange?.();
  }

  createDataChannel = (): object => this.channel;
  getTransceivers = (): FakeTransceiver[] => this.transceivers;
  getReceivers = (): object[] => this.transceivers.map(({ receiver }) => receiver);
  getStats = (): Promise<Map<string, object>> => Promise.resolve(new Map());
  setConfiguration = (): void => undefined;
  restartIce = (): void => void this.log.push('restart');
  close = (): void => {
    this.connectionState = 'closed';
  };
}

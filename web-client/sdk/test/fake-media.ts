/** A track of somebody else: silent until something comes. */
export class FakeTrack extends EventTarget {
  enabled = true;
  muted = true;
  readyState: MediaStreamTrackState = 'live';
  settings: MediaTrackSettings = {};
  readonly getSettings = (): MediaTrackSettings => this.settings;

  constructor(
    readonly kind: 'audio' | 'video',
    readonly id: string = kind,
  ) {
    super();
  }

  /** Something comes. */
  flow(): this {
    this.muted = false;
    this.dispatchEvent(new Event('unmute'));
    return this;
  }

  /** As the browser's. */
  get asTrack(): MediaStreamTrack {
    return this as unknown as MediaStreamTrack;
  }
}

/** A stream as far as the SDK uses it. */
export class FakeStream {
  readonly #tracks: unknown[] = [];

  getTracks(): unknown[] {
    return [...this.#tracks];
  }

  addTrack(track: unknown): void {
    this.#tracks.push(track);
  }

  removeTrack(track: unknown): void {
    this.#tracks.splice(this.#tracks.indexOf(track), 1);
  }
}

import type { LinkPath } from './link/path';

/** What there are statistics of. */
export type TrackStatsSource = 'microphone' | 'camera' | 'screen';

/** What keeps a track from being better than it is. */
export type Limitation = 'none' | 'bandwidth' | 'cpu' | 'size' | 'other';

/** How one track of one participant is doing. What is counted counts from the last call for the same track on. */
export interface TrackStats {
  /** As in `a=rtpmap`, in lower case. */
  readonly codec: string | null;
  /** Pixels; null for sound and as long as there is no picture. */
  readonly width: number | null;
  readonly height: number | null;
  readonly framesPerSecond: number | null;
  /** Bits per second; null at the first call. */
  readonly bitrate: number | null;
  /** Fraction of the packets, 0 to 1; null at the first call, or while none were sent. */
  readonly packetsLost: number | null;
  /** Seconds. */
  readonly roundTripTime: number | null;
  /** Seconds that sound or picture waits before it is played, on average; null for what oneself sends. */
  readonly jitterBufferDelay: number | null;
  readonly path: LinkPath;
  /** The simulcast size that comes, 0 is the smallest; null if there is but one, or it is not known. */
  readonly layer: number | null;
  readonly limitation: Limitation;
}

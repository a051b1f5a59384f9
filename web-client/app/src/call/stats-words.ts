/** What the statistics of a track say, in words. */
import type { TrackStats } from '@stoa/client';
import { laterText } from '../later-text';
import { text } from '../text';

export interface StatsRow {
  readonly label: string;
  readonly value: string;
}

const { details } = laterText;

/** `isSent`: one's own track, of which it is known what leaves. */
export function pictureRows(stats: TrackStats, isSent: boolean): StatsRow[] {
  const { width, height, framesPerSecond, layer, limitation } = stats;
  const size = width === null || height === null ? null : `${width} × ${height}`;
  return [
    ...row(details.size, size),
    ...row(details.framesPerSecond, framesPerSecond === null ? null : String(Math.round(framesPerSecond))),
    ...commonRows(stats, isSent),
    ...row(details.layer, layer === null ? null : details.layerWords(layer)),
    ...row(details.limitedBy, details.limitation[limitation]),
  ];
}

export function soundRows(stats: TrackStats, isSent: boolean): StatsRow[] {
  return commonRows(stats, isSent);
}

/** How the way itself is, the same for picture and sound. */
export function wayRows({ path, roundTripTime }: TrackStats): StatsRow[] {
  return [
    ...row(details.way, path === 'unknown' ? null : text.call.path[path]),
    ...row(details.roundTrip, milliseconds(roundTripTime)),
  ];
}

function commonRows({ codec, bitrate, packetsLost, jitterBufferDelay }: TrackStats, isSent: boolean): StatsRow[] {
  return [
    ...row(details.codec, codec?.toUpperCase() ?? null),
    ...row(isSent ? details.sent : details.received, bitrate === null ? null : bitrateWords(bitrate)),
    ...row(details.lost, packetsLost === null ? null : percent(packetsLost)),
    ...row(details.delay, milliseconds(jitterBufferDelay)),
  ];
}

/** Without a value there is nothing to say. */
function row(label: string, value: string | null): StatsRow[] {
  return value === null ? [] : [{ label, value }];
}

export function bitrateWords(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

function percent(fraction: number): string {
  const value = fraction * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

function milliseconds(seconds: number | null): string | null {
  return seconds === null ? null : `${Math.round(seconds * 1000)} ms`;
}

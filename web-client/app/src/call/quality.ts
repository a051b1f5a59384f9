/** How good each picture is to come, as chosen by hand. */
import { signal } from '@preact/signals';
import type { PictureSource, Room, TileQuality } from '@stoa/client';

export const QUALITIES: readonly TileQuality[] = ['auto', 'low', 'medium', 'high'];

const chosen = signal<ReadonlyMap<string, TileQuality>>(new Map());

export function qualityOf(participant: string, source: PictureSource): TileQuality {
  return chosen.value.get(`${source} ${participant}`) ?? 'auto';
}

export function setQuality(room: Room, participant: string, source: PictureSource, quality: TileQuality): void {
  chosen.value = new Map(chosen.peek()).set(`${source} ${participant}`, quality);
  room.setQuality(participant, source, quality);
}

/** Which tile is large, if any: the one that the user pinned, or else the screen that somebody shares. */
import type { ParticipantView } from '@stoa/client';

/** Names a tile: a participant's own is named by their id. */
export type TileKey = string;

export const screenKey = (participant: string): TileKey => `${participant}/screen`;

export interface Spotlight {
  readonly pinned: TileKey | null;
  /** The screen that is large by itself. */
  readonly shown: TileKey | null;
  /** Screens that have begun. */
  readonly screens: readonly TileKey[];
}

export const NO_SPOTLIGHT: Spotlight = { pinned: null, shown: null, screens: [] };

/** The large tile. */
export function largeOf({ pinned, shown }: Spotlight): TileKey | null {
  return pinned ?? shown;
}

/** Screens of others. The own one would show itself without end. */
export function screensOf(participants: readonly ParticipantView[]): TileKey[] {
  return participants.filter(({ isSelf, media }) => !isSelf && media.screen).map(({ id }) => screenKey(id));
}

/** After people came and went, or began or ended to share. The same object if nothing changes. */
export function follow(before: Spotlight, people: readonly string[], screens: readonly TileKey[]): Spotlight {
  const begun = screens.findLast((key) => !before.screens.includes(key));
  const isThere = (key: TileKey | null): boolean => key !== null && (people.includes(key) || screens.includes(key));
  let { shown } = before;
  if (begun !== undefined) shown = begun;
  else if (shown !== null && !screens.includes(shown)) shown = screens.at(-1) ?? null;
  const pinned = isThere(before.pinned) ? before.pinned : null;
  const isSame = pinned === before.pinned && shown === before.shown && screens.join('\n') === before.screens.join('\n');
  return isSame ? before : { pinned, shown, screens };
}

export function pin(before: Spotlight, key: TileKey): Spotlight {
  return { ...before, pinned: key };
}

/** Makes a large tile small again, whatever made it large. A screen comes back to the light when it begins anew. */
export function unpin(before: Spotlight, key: TileKey): Spotlight {
  return {
    ...before,
    pinned: before.pinned === key ? null : before.pinned,
    shown: before.shown === key ? null : before.shown,
  };
}

import type { RoomSnapshot } from '@stoa/client';
import { useReducer, useRef } from 'preact/hooks';
import { follow, largeOf, NO_SPOTLIGHT, pin, screensOf, unpin, type Spotlight, type TileKey } from './spotlight';

/** What the tiles and the list of people need to know and to do. */
export interface Pins {
  readonly large: TileKey | null;
  /** Makes a tile large, or small again. */
  readonly toggle: (key: TileKey) => void;
}

export function usePins({ participants }: RoomSnapshot): Pins {
  const state = useRef<Spotlight>(NO_SPOTLIGHT);
  const [, render] = useReducer((count: number, _: void) => count + 1, 0);
  const people = participants.map(({ id }) => id);
  state.current = follow(state.current, people, screensOf(participants));
  const large = largeOf(state.current);
  return {
    large,
    toggle: (key) => {
      state.current = key === large ? unpin(state.current, key) : pin(state.current, key);
      render();
    },
  };
}

import type { RoomSnapshot } from '@stoa/client';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { text } from '../text';
import { CopyLinkButton } from './copy-link';
import { fitGrid, type Grid } from './grid';
import { Tile } from './tile';

const GAP = 12;

/** Equal tiles in a stable order; while alone, the invitation has the second place. */
export function Stage({ snapshot }: { readonly snapshot: RoomSnapshot }) {
  const grid = useRef<HTMLDivElement>(null);
  const alone = snapshot.participants.length === 1;
  const places = alone ? 2 : snapshot.participants.length;
  const fit = useGrid(grid, places);
  const style = { '--columns': fit.columns, '--tile-width': `${fit.tileWidth}px`, '--gap': `${GAP}px` };

  return (
    <div class="stage" ref={grid}>
      <div class="tiles" style={style}>
        {snapshot.participants.map((participant) => (
          <Tile key={participant.id} participant={participant} />
        ))}
        {alone && <Invitation />}
      </div>
    </div>
  );
}

function useGrid(stage: { readonly current: HTMLElement | null }, places: number): Grid {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = stage.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [stage]);
  const before = useRef<Grid>(undefined);
  const grid = fitGrid(places, size.width, size.height, GAP, before.current);
  before.current = grid;
  return grid;
}

function Invitation() {
  return (
    <section class="invitation" aria-labelledby="invitation-title">
      <h2 id="invitation-title">{text.call.aloneHeading}</h2>
      <p>{text.call.aloneBody}</p>
      <p class="invitation-link">{location.href}</p>
      <CopyLinkButton class="button primary" />
    </section>
  );
}

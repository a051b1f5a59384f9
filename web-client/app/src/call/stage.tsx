import type { ParticipantView, Room, RoomSnapshot } from '@stoa/client';
import type { ComponentChildren, RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { BackIcon, ForwardIcon } from '../icons';
import { text } from '../text';
import { CopyLinkButton } from './copy-link';
import type { Grid, Size } from './grid';
import { layOut, LOW_STAGE, styleOf, type Box } from './layout';
import { Seating, type Seated } from './seating';
import { screenKey, screensOf, type TileKey } from './spotlight';
import { ScreenTile, Tile } from './tile';
import type { Pins } from './use-spotlight';

/** Between tiles, in CSS pixels. */
const GAP = 12;
const NARROW_GAP = 8;
const NARROW = 480;

interface StageProps {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly pins: Pins;
}

/**
 * The tiles. They keep their order in the document, that of arrival, and are placed by position: a media element that is
 * moved in the document would stop. While alone, the invitation has the second place.
 */
export function Stage({ room, snapshot, pins }: StageProps) {
  const stage = useRef<HTMLDivElement>(null);
  const size = useSize(stage);
  const [page, setPage] = useState(0);
  const { participants } = snapshot;
  const isAlone = participants.length === 1;
  const invites = isAlone && size.height >= LOW_STAGE;
  const large = isAlone ? null : pins.large;
  const keys = [...participants.map(({ id }) => id), ...screensOf(participants)];
  const small = keys.length - (large === null ? 0 : 1);

  const before = useRef<Grid>(undefined);
  const gap = size.width < NARROW ? NARROW_GAP : GAP;
  const layout = layOut(size, small + (invites ? 1 : 0), large !== null, gap, before.current);
  before.current = large === null ? layout.grid : undefined;

  const seated = useSeats(stage, snapshot, large, layout.boxes.length, page);
  const boxOf = (key: TileKey): Box | null =>
    (key === large ? layout.large : layout.boxes[seated.visible.indexOf(key)]) ?? null;
  const invitationBox = layout.boxes[1];
  const shared = participants.filter((participant) => !participant.isSelf && participant.media.screen);

  return (
    <div class="stage" ref={stage}>
      {participants.map((participant) => (
        <Tile
          key={participant.id}
          room={room}
          participant={participant}
          tileKey={participant.id}
          box={boxOf(participant.id)}
          pins={pins}
        />
      ))}
      {shared.map((participant) => (
        <ScreenTile
          key={screenKey(participant.id)}
          room={room}
          participant={participant}
          tileKey={screenKey(participant.id)}
          box={boxOf(screenKey(participant.id))}
          pins={pins}
        />
      ))}
      {invites && invitationBox !== undefined && <Invitation box={invitationBox} />}
      {layout.pager !== null && <Pager box={layout.pager} seated={seated} onTurn={setPage} />}
      {layout.more !== null && <MoreButton box={layout.more} seated={seated} tiles={small} onTurn={setPage} />}
    </div>
  );
}

function useSize(stage: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = stage.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [stage]);
  return size;
}

function useSeats(
  stage: RefObject<HTMLElement | null>,
  { self, participants, speakers }: RoomSnapshot,
  large: TileKey | null,
  places: number,
  page: number,
): Seated {
  const seating = useRef<Seating>(undefined);
  seating.current ??= new Seating();
  const screens = screensOf(participants);
  const isOther = ({ id }: ParticipantView): boolean => id !== self;
  const focused = heldTile(stage.current);
  return seating.current.seat({
    self,
    others: [...participants.filter(isOther).map(({ id }) => id), ...screens],
    large,
    speakers,
    places,
    page,
    steady: focused === null ? screens : [...screens, focused],
  });
}

/** The tile that has the focus: its menu may be open. */
function heldTile(stage: HTMLElement | null): TileKey | null {
  const focused = document.activeElement?.closest<HTMLElement>('[data-tile]') ?? null;
  return focused !== null && stage?.contains(focused) === true ? (focused.dataset['tile'] ?? null) : null;
}

interface PagerProps {
  readonly box: Box;
  readonly seated: Seated;
  readonly onTurn: (page: number) => void;
}

function Pager({ box, seated: { page, pages }, onTurn }: PagerProps) {
  const turnTo = (to: number) => (to >= 0 && to < pages ? () => onTurn(to) : null);
  return (
    <nav class="pager" aria-label={text.call.pages} style={styleOf(box)}>
      <PageButton label={text.call.pageBefore} onPress={turnTo(page - 1)}>
        <BackIcon />
      </PageButton>
      <p>
        <span class="visually-hidden">{text.call.page(page + 1, pages)}</span>
        <span aria-hidden="true">
          {page + 1} / {pages}
        </span>
      </p>
      <PageButton label={text.call.pageAfter} onPress={turnTo(page + 1)}>
        <ForwardIcon />
      </PageButton>
    </nav>
  );
}

/** After the last page comes the first again. */
function MoreButton({ box, seated: { visible, page, pages }, tiles, onTurn }: PagerProps & { readonly tiles: number }) {
  const count = tiles - visible.length;
  const label = text.call.more(count);
  return (
    <button
      type="button"
      class="more-tiles"
      aria-label={label}
      title={label}
      style={styleOf(box)}
      onClick={() => onTurn((page + 1) % pages)}
    >
      +{count}
    </button>
  );
}

interface PageButtonProps {
  readonly label: string;
  /** Null: there is no such page. */
  readonly onPress: (() => void) | null;
  readonly children: ComponentChildren;
}

/** It stays when there is no further page, so that the focus does not get lost. */
function PageButton({ label, onPress, children }: PageButtonProps) {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={label}
      aria-disabled={onPress === null}
      onClick={() => onPress?.()}
    >
      {children}
    </button>
  );
}

function Invitation({ box }: { readonly box: Box }) {
  return (
    <section class="invitation" aria-labelledby="invitation-title" style={styleOf(box)}>
      <h2 id="invitation-title">{text.call.aloneHeading}</h2>
      <p>{text.call.aloneBody}</p>
      <p class="invitation-link">{location.href}</p>
      <CopyLinkButton class="button primary" />
    </section>
  );
}

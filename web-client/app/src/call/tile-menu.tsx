import type { ParticipantView, PictureSource, Room } from '@stoa/client';
import type { TargetedMouseEvent, TargetedToggleEvent } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { useLoaded } from '../hooks';
import { MoreIcon, PinIcon } from '../icons';
import { text } from '../text';
import { Connection, NamedWords } from './person-words';
import type { TileKey } from './spotlight';
import type { Pins } from './use-spotlight';
import { VolumeSlider } from './volume-slider';

/** In CSS pixels: from its button, and from the edge of the window. */
const DISTANCE = 4;
const WIDTH = 288;

export interface TileMenuProps {
  readonly room: Room;
  readonly participant: ParticipantView;
  readonly source: PictureSource;
  readonly tileKey: TileKey;
  readonly pins: Pins;
}

/** On a tile: what one can do with it, and which way it comes. The browser closes it like any popover. */
export function TileMenu(props: TileMenuProps) {
  const { participant, source } = props;
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const label = source === 'screen' ? text.screen.of(participant.name) : participant.name;

  const place = (event: TargetedToggleEvent<HTMLElement>): void => {
    if (event.newState === 'open' && button.current !== null) placeMenu(event.currentTarget, button.current);
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class="tile-options"
        popovertarget={id}
        aria-expanded={open}
        aria-label={text.call.options(label)}
        title={text.call.options(label)}
      >
        <MoreIcon />
      </button>
      <div
        id={id}
        class="tile-menu"
        popover="auto"
        onBeforeToggle={place}
        onToggle={(event) => setOpen(event.newState === 'open')}
      >
        {open && <Contents {...props} />}
      </div>
    </>
  );
}

function Contents(props: TileMenuProps) {
  const { participant, tileKey, pins } = props;
  return (
    <>
      <PinButton name={participant.name} tileKey={tileKey} pins={pins} />
      <Connection participant={participant} />
      {!participant.isSelf && <VolumeSlider participant={participant} />}
      <Details {...props} />
    </>
  );
}

interface PinButtonProps {
  readonly name: string;
  readonly tileKey: TileKey;
  readonly pins: Pins;
}

export function PinButton({ name, tileKey, pins }: PinButtonProps) {
  const words = pins.large === tileKey ? text.call.unpin(name) : text.call.pin(name);
  const press = (event: TargetedMouseEvent<HTMLElement>): void => {
    pins.toggle(tileKey);
    // The tile moves away from its menu.
    event.currentTarget.closest<HTMLElement>('[popover]')?.hidePopover();
  };
  return (
    <button type="button" class="button small" onClick={press}>
      <PinIcon size={18} />
      <NamedWords words={words} />
    </button>
  );
}

const loadDetails = () => import('./tile-details');

/** Loaded when somebody looks. */
function Details(props: TileMenuProps) {
  const loaded = useLoaded(loadDetails);
  return loaded.kind === 'ready' ? <loaded.value.TileDetails {...props} /> : null;
}

/** Beside its button, where the window has more room; on the top layer nothing else would put it there everywhere. */
function placeMenu({ style }: HTMLElement, button: HTMLElement): void {
  const { top, bottom, left, right } = button.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const isBelow = top + bottom < clientHeight;
  const room = isBelow ? clientHeight - bottom : top;
  style.top = isBelow ? `${bottom + DISTANCE}px` : 'auto';
  style.bottom = isBelow ? 'auto' : `${clientHeight - top + DISTANCE}px`;
  style.maxHeight = `${room - 2 * DISTANCE}px`;
  const fromRight = right >= WIDTH ? clientWidth - right : Math.max(DISTANCE, clientWidth - left - WIDTH);
  style.right = `${fromRight}px`;
}

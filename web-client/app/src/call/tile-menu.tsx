import type { ParticipantView } from '@stoa/client';
import type { TargetedToggleEvent } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { MoreIcon } from '../icons';
import { text } from '../text';
import { Connection } from './person';
import { VolumeSlider } from './volume-slider';

const DISTANCE = 4;

/** On another person's tile: how loud they are, and which way they come. The browser closes it like any popover. */
export function TileMenu({ participant }: { readonly participant: ParticipantView }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);

  /** Below its button; on the top layer nothing else would put it there in all browsers. */
  const place = (event: TargetedToggleEvent<HTMLElement>): void => {
    const box = button.current?.getBoundingClientRect();
    if (box === undefined || event.newState === 'closed') return;
    const { style } = event.currentTarget;
    style.top = `${box.bottom + DISTANCE}px`;
    style.right = `${document.documentElement.clientWidth - box.right}px`;
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class="tile-options"
        popovertarget={id}
        aria-expanded={open}
        aria-label={text.call.options(participant.name)}
        title={text.call.options(participant.name)}
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
        {open && (
          <>
            <Connection participant={participant} />
            <VolumeSlider participant={participant} />
          </>
        )}
      </div>
    </>
  );
}

/** The place of the list of people in a call. */
import type { Room, RoomSnapshot } from '@stoa/client';
import { useEffect, useRef } from 'preact/hooks';
import { useLoaded } from '../hooks';
import { CloseIcon, PeopleIcon } from '../icons';
import { text } from '../text';
import type { Pins } from './use-spotlight';

const loadPeople = () => import('./people');

interface PeoplePlaceProps {
  readonly id: string;
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly pins: Pins;
  readonly onClose: () => void;
}

export function PeoplePlace({ id, room, snapshot, pins, onClose }: PeoplePlaceProps) {
  const people = useLoaded(loadPeople);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <aside id={id} class="people" aria-labelledby="people-title">
      <div class="panel-head">
        <PeopleIcon />
        <h2 id="people-title" ref={heading} tabIndex={-1}>
          {text.people.open}
        </h2>
        <span class="panel-count">{text.call.people(snapshot.participants.length)}</span>
        <button
          type="button"
          class="icon-button"
          aria-label={text.people.close}
          title={text.people.close}
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </div>
      {people.kind === 'ready' && <people.value.People room={room} snapshot={snapshot} pins={pins} />}
      {people.kind === 'loading' && <p class="note-waiting">{text.people.loading}</p>}
      {people.kind === 'failed' && (
        <div class="note-waiting">
          <p>{text.people.loadFailed}</p>
          <button type="button" class="button small" onClick={people.retry}>
            {text.tryAgain}
          </button>
        </div>
      )}
    </aside>
  );
}

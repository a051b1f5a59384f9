/** The list of people, and what moderators do with it. */
import type { ParticipantView, Room, RoomSnapshot } from '@stoa/client';
import { useEffect, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { InviteIcon, LockIcon, UnlockIcon } from '../icons';
import { laterText } from '../later-text';
import { Dialog } from './dialog';
import { findPeople } from './find-people';
import { InvitationDialog } from './invitation-dialog';
import { Person, type PersonActions } from './person';
import { refusalWords } from './room-problem';
import type { Pins } from './use-spotlight';

/** With more people than this, one looks for a name instead of reading all. */
const MANY = 10;

/** With more people than this, what can be done with each is folded away. */
const FOLDED_FROM = 4;

interface PeopleProps {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly pins: Pins;
}

export function People({ room, snapshot, pins }: PeopleProps) {
  const { participants } = snapshot;
  const [removing, setRemoving] = useState<ParticipantView | null>(null);
  const [problem, attempt] = useAttempt();
  const [wanted, setWanted] = useState('');
  const isMany = participants.length > MANY;
  const shown = isMany ? findPeople(participants, wanted) : participants;

  const actions: PersonActions = {
    silence: ({ id: who, name }) => attempt(room.mute(who, 'microphone'), laterText.people.silenced(name)),
    stopCamera: ({ id: who, name }) => attempt(room.mute(who, 'camera'), laterText.people.cameraStopped(name)),
    stopScreen: ({ id: who, name }) => attempt(room.mute(who, 'screen'), laterText.people.screenStopped(name)),
    remove: setRemoving,
  };
  return (
    <>
      {isMany && <Search wanted={wanted} found={shown.length} onChange={setWanted} />}
      <ul class="people-list">
        {shown.map((participant) => (
          <Person
            key={participant.id}
            participant={participant}
            pins={pins}
            isFolded={participants.length > FOLDED_FROM}
            actions={snapshot.moderator ? actions : null}
          />
        ))}
      </ul>
      {problem !== null && <p class="people-problem field-error">{problem}</p>}
      {snapshot.moderator && <RoomControls room={room} locked={snapshot.locked} attempt={attempt} />}
      {removing !== null && (
        <ConfirmRemoval
          name={removing.name}
          onConfirm={() => attempt(room.remove(removing.id), null)}
          onClose={() => setRemoving(null)}
        />
      )}
    </>
  );
}

interface SearchProps {
  readonly wanted: string;
  readonly found: number;
  readonly onChange: (wanted: string) => void;
}

function Search({ wanted, found, onChange }: SearchProps) {
  const words = wanted.trim() === '' ? '' : laterText.people.found(found);
  useEffect(() => {
    if (words !== '') announce(words);
  }, [words]);
  return (
    <div class="people-search">
      <input
        type="text"
        aria-label={laterText.people.find}
        placeholder={laterText.people.find}
        value={wanted}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      {found === 0 && <p class="hint">{words}</p>}
    </div>
  );
}

type Attempt = (request: Promise<void>, done: string | null) => void;

/** Carries out what a moderator asks for; says so when it is done, and why when it is not. */
function useAttempt(): [string | null, Attempt] {
  const [problem, setProblem] = useState<string | null>(null);
  const attempt: Attempt = (request, done) => {
    setProblem(null);
    request.then(
      () => done !== null && announce(done),
      (error: unknown) => {
        const words = refusalWords(error);
        setProblem(words);
        announce(words);
      },
    );
  };
  return [problem, attempt];
}

interface RoomControlsProps {
  readonly room: Room;
  readonly locked: boolean;
  readonly attempt: Attempt;
}

function RoomControls({ room, locked, attempt }: RoomControlsProps) {
  const [inviting, setInviting] = useState(false);
  return (
    <div class="people-foot">
      <p class="hint">{locked ? laterText.people.isLocked : laterText.people.isOpen}</p>
      <div class="people-foot-buttons">
        <button type="button" class="button small" onClick={() => attempt(room.lock(!locked), null)}>
          {locked ? <UnlockIcon size={18} /> : <LockIcon size={18} />}
          {locked ? laterText.people.unlock : laterText.people.lock}
        </button>
        <button type="button" class="button small" aria-haspopup="dialog" onClick={() => setInviting(true)}>
          <InviteIcon size={18} />
          {laterText.people.invite}
        </button>
      </div>
      {inviting && <InvitationDialog room={room} onClose={() => setInviting(false)} />}
    </div>
  );
}

interface ConfirmRemovalProps {
  readonly name: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

function ConfirmRemoval({ name, onConfirm, onClose }: ConfirmRemovalProps) {
  return (
    <Dialog title={laterText.people.confirmRemove(name)} closeLabel={laterText.invitation.close} onClose={onClose}>
      <p>{laterText.people.confirmRemoveBody}</p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {laterText.people.cancel}
        </button>
        <button
          type="button"
          class="button danger-fill"
          onClick={() => {
            onConfirm();
            onClose();
          }}
        >
          {laterText.people.confirm}
        </button>
      </div>
    </Dialog>
  );
}

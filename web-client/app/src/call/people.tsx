/** The list of people, and what moderators do with it. */
import type { ParticipantView, Room, RoomSnapshot } from '@stoa/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { CloseIcon, InviteIcon, LockIcon, PeopleIcon, UnlockIcon } from '../icons';
import { text } from '../text';
import { Dialog } from './dialog';
import { InvitationDialog } from './invitation-dialog';
import { Person, type PersonActions } from './person';
import { refusalWords } from './room-problem';

interface PeopleProps {
  readonly id: string;
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly onClose: () => void;
}

export function People({ id, room, snapshot, onClose }: PeopleProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [removing, setRemoving] = useState<ParticipantView | null>(null);
  const [problem, attempt] = useAttempt();
  useEffect(() => heading.current?.focus(), []);

  const actions: PersonActions = {
    silence: ({ id: who, name }) => attempt(room.mute(who, 'microphone'), text.people.silenced(name)),
    stopCamera: ({ id: who, name }) => attempt(room.mute(who, 'camera'), text.people.cameraStopped(name)),
    remove: setRemoving,
  };
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
      <ul class="people-list">
        {snapshot.participants.map((participant) => (
          <Person key={participant.id} participant={participant} actions={snapshot.moderator ? actions : null} />
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
    </aside>
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
      <p class="hint">{locked ? text.people.isLocked : text.people.isOpen}</p>
      <div class="people-foot-buttons">
        <button type="button" class="button small" onClick={() => attempt(room.lock(!locked), null)}>
          {locked ? <UnlockIcon size={18} /> : <LockIcon size={18} />}
          {locked ? text.people.unlock : text.people.lock}
        </button>
        <button type="button" class="button small" aria-haspopup="dialog" onClick={() => setInviting(true)}>
          <InviteIcon size={18} />
          {text.people.invite}
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
    <Dialog title={text.people.confirmRemove(name)} closeLabel={text.invitation.close} onClose={onClose}>
      <p>{text.people.confirmRemoveBody}</p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          {text.people.cancel}
        </button>
        <button
          type="button"
          class="button danger-fill"
          onClick={() => {
            onConfirm();
            onClose();
          }}
        >
          {text.people.confirm}
        </button>
      </div>
    </Dialog>
  );
}

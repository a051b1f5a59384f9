import type { Room } from '@stoa/client';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { LinkIcon } from '../icons';
import { laterText } from '../later-text';
import { momentWords } from '../text';
import { writeClipboard } from './copy-link';
import { Dialog } from './dialog';
import { EXPIRIES, EXPIRY_CHOICES, invitationLink, type Expiry } from './invitation';
import { refusalWords } from './room-problem';

interface InvitationDialogProps {
  readonly room: Room;
  readonly onClose: () => void;
}

interface Invitation {
  readonly link: string;
  readonly expiresAt: Date;
}

export function InvitationDialog({ room, onClose }: InvitationDialogProps) {
  const [expiry, setExpiry] = useState<Expiry>('day');
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<Invitation | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (creating) return;
    setCreating(true);
    setProblem(null);
    try {
      const { invite, expiresAt } = await room.invite(EXPIRIES[expiry]);
      setMade({ link: invitationLink(location.origin, room.state.room, invite), expiresAt });
    } catch (error) {
      const words = refusalWords(error);
      setProblem(words);
      announce(words);
    } finally {
      setCreating(false);
    }
  };

  return (
    <Dialog title={laterText.invitation.heading} closeLabel={laterText.invitation.close} onClose={onClose}>
      <p class="hint">{laterText.invitation.body}</p>
      <form class="invite-form" onSubmit={(event) => void create(event)}>
        <ExpiryChoice value={expiry} onChoose={setExpiry} />
        <button type="submit" class="button primary" aria-disabled={creating}>
          {creating && <span class="spinner" />}
          {creating ? laterText.invitation.creating : laterText.invitation.create}
        </button>
      </form>
      {problem !== null && <p class="field-error">{problem}</p>}
      {made !== null && <Made key={made.link} invitation={made} />}
    </Dialog>
  );
}

interface ExpiryChoiceProps {
  readonly value: Expiry;
  readonly onChoose: (expiry: Expiry) => void;
}

function ExpiryChoice({ value, onChoose }: ExpiryChoiceProps) {
  return (
    <fieldset class="choices">
      <legend>{laterText.invitation.expiry}</legend>
      <div>
        {EXPIRY_CHOICES.map((choice) => (
          <label key={choice}>
            <input type="radio" name="expiry" checked={choice === value} onChange={() => onChoose(choice)} />
            {laterText.invitation.choices[choice]}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Made({ invitation: { link, expiresAt } }: { readonly invitation: Invitation }) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState<boolean | null>(null);

  const copy = async (): Promise<void> => {
    const done = await writeClipboard(link);
    setCopied(done);
    if (!done) input.current?.select();
    const says = done ? laterText.invitation.copied : laterText.invitation.notCopied;
    announce(`${says} ${laterText.invitation.until(momentWords(expiresAt))}`);
  };
  useEffect(() => void copy(), []);

  return (
    <div class="field">
      <label for={id}>{laterText.invitation.link}</label>
      <div class="invite-link">
        <input
          ref={input}
          id={id}
          type="text"
          readOnly
          value={link}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="button" onClick={() => void copy()}>
          <LinkIcon size={18} />
          {laterText.invitation.copy}
        </button>
      </div>
      <p class="hint">
        {copied !== null && (copied ? laterText.invitation.copied : laterText.invitation.notCopied)}{' '}
        {laterText.invitation.until(momentWords(expiresAt))}
      </p>
    </div>
  );
}

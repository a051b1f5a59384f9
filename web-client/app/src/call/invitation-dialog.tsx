import type { Room } from '@stoa/client';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { LinkIcon } from '../icons';
import { momentWords, text } from '../text';
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
    <Dialog title={text.invitation.heading} closeLabel={text.invitation.close} onClose={onClose}>
      <p class="hint">{text.invitation.body}</p>
      <form class="invite-form" onSubmit={(event) => void create(event)}>
        <ExpiryChoice value={expiry} onChoose={setExpiry} />
        <button type="submit" class="button primary" aria-disabled={creating}>
          {creating && <span class="spinner" />}
          {creating ? text.invitation.creating : text.invitation.create}
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
      <legend>{text.invitation.expiry}</legend>
      <div>
        {EXPIRY_CHOICES.map((choice) => (
          <label key={choice}>
            <input type="radio" name="expiry" checked={choice === value} onChange={() => onChoose(choice)} />
            {text.invitation.choices[choice]}
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
    const says = done ? text.invitation.copied : text.invitation.notCopied;
    announce(`${says} ${text.invitation.until(momentWords(expiresAt))}`);
  };
  useEffect(() => void copy(), []);

  return (
    <div class="field">
      <label for={id}>{text.invitation.link}</label>
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
          {text.invitation.copy}
        </button>
      </div>
      <p class="hint">
        {copied !== null && (copied ? text.invitation.copied : text.invitation.notCopied)}{' '}
        {text.invitation.until(momentWords(expiresAt))}
      </p>
    </div>
  );
}

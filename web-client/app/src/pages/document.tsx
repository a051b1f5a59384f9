/** A document without a call, in a tab of its own. Loaded when such an address is opened. */
import { DocSocket } from '@stoa/client';
import { useEffect, useState } from 'preact/hooks';
import { Link, ThemeSwitch } from '../brand';
import { usePage, useStore } from '../hooks';
import { NoteIcon, StoaMark } from '../icons';
import { laterText } from '../later-text';
import { NotePanel } from '../note/panel';
import { NoteSession, type Editor } from '../note/session';
import { recallPass } from '../pass';
import { passKeyOfDoc, roomOfDoc } from '../doc-name';
import { pathOfRoom } from '../room-name';
import { recall, remember } from '../storage';
import { text } from '../text';
import '../styles/document.css';

/** Longer names are clipped by the others. */
const NAME_MAX = 64;

/** Give it the document as `key`, so that another document is another session. */
export function DocumentPage({ doc }: { readonly doc: string }) {
  const heading = usePage(laterText.document.title(doc));
  const [session, setSession] = useState<NoteSession | null>(null);
  const [failure, setFailure] = useState<number | null>(null);
  const [name, setName] = useState(() => recall('stoa.name') ?? '');
  const room = roomOfDoc(doc);
  const token = recallPass(passKeyOfDoc(doc)).token ?? (room === null ? undefined : recallPass(room).token);

  useEffect(() => {
    const socket = new DocSocket({
      url: location.origin.replace(/^http/u, 'ws'),
      doc,
      ...(token === undefined ? {} : { token }),
    });
    const stop = socket.on('failed', ({ code }) => setFailure(code));
    const started = new NoteSession(socket, doc);
    setSession(started);
    return () => {
      stop();
      started.destroy();
      socket.close();
    };
  }, [doc, token]);

  useEffect(
    () => session?.introduce(name.trim() === '' ? laterText.document.nobody : name.trim(), ownId()),
    [session, name],
  );

  return (
    <div class="document">
      <header class="document-head">
        <Link href="/" class="brand">
          <StoaMark size={24} />
          <span class="visually-hidden">{text.product}</span>
        </Link>
        <NoteIcon />
        <h1 ref={heading} tabIndex={-1}>
          {doc}
        </h1>
        <NameField
          name={name}
          onChange={(next) => {
            setName(next);
            remember('stoa.name', next.trim());
          }}
        />
        {room !== null && <Link href={pathOfRoom(room)}>{laterText.document.openRoom}</Link>}
        <ThemeSwitch />
      </header>
      <main class="document-main">
        {failure !== null && <p class="note-read-only">{laterText.document.failed(failure)}</p>}
        {session !== null && <Editors session={session} />}
        {session !== null && <NotePanel session={session} token={token} hasOwnTab={false} />}
      </main>
    </div>
  );
}

interface NameFieldProps {
  readonly name: string;
  readonly onChange: (name: string) => void;
}

function NameField({ name, onChange }: NameFieldProps) {
  return (
    <div class="document-name">
      <label for="name">{text.lobby.name}</label>
      <input
        id="name"
        type="text"
        autocomplete="name"
        maxLength={NAME_MAX}
        value={name}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </div>
  );
}

function Editors({ session }: { readonly session: NoteSession }) {
  const { editors } = useStore(session);
  return (
    <ul class="document-editors" aria-label={laterText.document.here}>
      {editors.map((editor) => (
        <EditorName key={editor.id} editor={editor} />
      ))}
    </ul>
  );
}

function EditorName({ editor: { name, color, isSelf } }: { readonly editor: Editor }) {
  return (
    <li>
      <span class="document-editor-mark" style={{ background: color }} aria-hidden="true" />
      {isSelf ? text.call.you(name) : name}
    </li>
  );
}

/** Decides the colour of one's cursor; the same as long as the page is open. */
const ownId = (): string => (id ??= crypto.randomUUID());
let id: string | null = null;

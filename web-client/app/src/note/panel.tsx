/** The inside of the note's panel; loaded when it is opened for the first time. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { pathOfDoc } from '../doc-name';
import { useLoaded, useStore } from '../hooks';
import { DownloadIcon, HistoryIcon, NewTabIcon } from '../icons';
import { fragmentOf } from '../pass';
import { momentWords, text } from '../text';
import { download, fileName } from './download';
import { createEditor, type NoteEditor } from './editor';
import { isTroubled, saveWords } from './save-state';
import type { NoteSession, NoteState } from './session';
import type { AsideCopy } from './store';
import '../styles/note.css';

interface NotePanelProps {
  readonly session: NoteSession;
  readonly token: string | undefined;
  /** Whether the note can be opened in a tab of its own from here. */
  readonly hasOwnTab: boolean;
}

export function NotePanel({ session, token, hasOwnTab }: NotePanelProps) {
  const state = useStore(session);
  const host = useEditor(session, state);
  const [historyOpen, setHistoryOpen] = useState(false);
  useTroubleAnnounced(state);
  const fragment = token === undefined ? '' : fragmentOf({ token });
  return (
    <>
      {state.aside.map((copy) => (
        <AsideNotice key={copy.database} session={session} copy={copy} />
      ))}
      {state.access !== 'write' && <p class="note-read-only">{text.note.access[state.access]}</p>}
      <div class="note-editor" ref={host} />
      <div class="note-foot">
        <SaveLine state={state} />
        <div class="note-tools">
          <button type="button" class="button small" aria-haspopup="dialog" onClick={() => setHistoryOpen(true)}>
            <HistoryIcon size={18} />
            {text.history.open}
          </button>
          <button type="button" class="button small" onClick={() => downloadMarkdown(session, state)}>
            <DownloadIcon size={18} />
            {text.note.download}
          </button>
          {hasOwnTab && (
            <a
              class="icon-button"
              href={`${pathOfDoc(session.name)}${fragment}`}
              target="_blank"
              rel="noopener"
              aria-label={text.note.ownTab}
              title={text.note.ownTab}
            >
              <NewTabIcon />
            </a>
          )}
        </div>
      </div>
      {historyOpen && <LazyHistory session={session} token={token} onClose={() => setHistoryOpen(false)} />}
    </>
  );
}

/** An editor in the element that the returned reference is given to, for the note's present life. */
function useEditor(session: NoteSession, { copy, access }: NoteState) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<NoteEditor | null>(null);
  const hadFocus = useRef(false);
  const isWritable = access === 'write';
  useEffect(() => {
    if (host.current === null) return;
    const created = createEditor(host.current, copy, isWritable);
    editor.current = created;
    if (hadFocus.current) created.focus();
    return () => {
      hadFocus.current = created.hasFocus;
      editor.current = null;
      created.destroy();
      session.hideCursor();
    };
  }, [session, copy]);
  useEffect(() => editor.current?.setWritable(isWritable), [isWritable]);
  return host;
}

function SaveLine({ state }: { readonly state: NoteState }) {
  const { what, more } = saveWords(state);
  return (
    <p class={isTroubled(state) ? 'note-saved failed' : 'note-saved'}>
      <strong>{what}</strong>
      {more !== '' && <span> {more}</span>}
    </p>
  );
}

/** What is saved changes all the time; that saving fails is worth a word. */
function useTroubleAnnounced(state: NoteState): void {
  const { what, more } = saveWords(state);
  const trouble = isTroubled(state) ? `${what}. ${more}` : null;
  useEffect(() => {
    if (trouble !== null) announce(trouble);
  }, [trouble]);
}

interface AsideNoticeProps {
  readonly session: NoteSession;
  readonly copy: AsideCopy;
}

function AsideNotice({ session, copy }: AsideNoticeProps) {
  const when = momentWords(new Date(copy.atMs));
  const save = async (): Promise<void> => {
    const day = new Date(copy.atMs).toISOString().slice(0, 10);
    download(`${fileName(session.name)}-${day}.md`, await session.readAside(copy), 'text/markdown');
  };
  return (
    <div class="note-aside">
      <p>{text.note.aside.body(when)}</p>
      <div class="note-tools">
        <button type="button" class="button small" onClick={() => void save()}>
          <DownloadIcon size={18} />
          {text.note.aside.download}
        </button>
        <button type="button" class="button small" onClick={() => void session.forgetAside(copy)}>
          {text.note.aside.forget}
        </button>
      </div>
    </div>
  );
}

interface LazyHistoryProps {
  readonly session: NoteSession;
  readonly token: string | undefined;
  readonly onClose: () => void;
}

const loadHistory = () => import('../history/dialog');

function LazyHistory(props: LazyHistoryProps) {
  const history = useLoaded(loadHistory);
  useEffect(() => {
    if (history.kind !== 'failed') return;
    announce(text.history.loadFailed);
    props.onClose();
  }, [history.kind]);
  return history.kind === 'ready' ? <history.value.HistoryDialog {...props} /> : null;
}

function downloadMarkdown({ name }: NoteSession, { copy }: NoteState): void {
  download(`${fileName(name)}.md`, copy.text.toString(), 'text/markdown');
}

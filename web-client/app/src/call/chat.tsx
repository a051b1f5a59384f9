/** The chat beside the call. Loaded when it is opened for the first time. */
import { StoaError, type ChatEntry, type Room, type RoomSnapshot } from '@stoa/client';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { useStore } from '../hooks';
import { SendIcon } from '../icons';
import { laterText } from '../later-text';
import { text } from '../text';
import { partsOf } from './chat-links';
import { refusalWords } from './room-problem';
import '../styles/chat.css';

/** Longer messages are refused by the server. */
const LONGEST = 4000;

/** So near the end counts as reading the newest. */
const NEAR_PX = 48;

interface ChatPanelProps {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
}

export function ChatPanel({ room, snapshot }: ChatPanelProps) {
  const { entries, enabled, hasEarlier } = useStore(room.chat);
  const list = useScroll(entries);
  const [isLoading, setIsLoading] = useState(false);
  const earlier = async (): Promise<void> => {
    // What is old shall not be read out as if it were new.
    setIsLoading(true);
    try {
      await room.loadEarlierChat();
    } catch {
      announce(laterText.chat.notLoaded);
    }
    setIsLoading(false);
  };
  return (
    <>
      <div
        class="chat-lines"
        ref={list}
        tabIndex={0}
        role="log"
        aria-live={isLoading ? 'off' : 'polite'}
        aria-label={laterText.chat.lines}
      >
        {hasEarlier && (
          <button type="button" class="button small" onClick={() => void earlier()}>
            {laterText.chat.earlier}
          </button>
        )}
        {entries.length === 0 && <p class="hint">{laterText.chat.none}</p>}
        <ol>
          {entries.map((entry) => (
            <Line key={entry.seq} entry={entry} isOwn={entry.participant === snapshot.self} />
          ))}
        </ol>
      </div>
      {enabled ? <Writing room={room} /> : <p class="chat-off hint">{laterText.chat.isOff}</p>}
      {snapshot.moderator && <ChatSwitch room={room} enabled={enabled} />}
    </>
  );
}

/** Keeps the newest line in sight for who reads there, and the same line in its place for who reads further up. */
function useScroll(entries: readonly ChatEntry[]) {
  const list = useRef<HTMLDivElement>(null);
  const before = useRef<{ first: number | undefined; height: number; isAtEnd: boolean }>(undefined);
  useLayoutEffect(() => {
    const element = list.current;
    if (element === null) return;
    const last = before.current;
    const first = entries[0]?.seq;
    const isEarlier = last !== undefined && first !== undefined && last.first !== undefined && first < last.first;
    if (isEarlier) element.scrollTop += element.scrollHeight - last.height;
    else if (last === undefined || last.isAtEnd) element.scrollTop = element.scrollHeight;
    before.current = { first, height: element.scrollHeight, isAtEnd: isAtEnd(element) };
  }, [entries]);
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    const note = (): void => {
      if (before.current !== undefined) before.current.isAtEnd = isAtEnd(element);
    };
    element.addEventListener('scroll', note, { passive: true });
    return () => element.removeEventListener('scroll', note);
  }, []);
  return list;
}

function isAtEnd({ scrollHeight, scrollTop, clientHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight < NEAR_PX;
}

function Line({ entry, isOwn }: { readonly entry: ChatEntry; readonly isOwn: boolean }) {
  const at = new Date(entry.at_ms);
  return (
    <li class={isOwn ? 'chat-line own' : 'chat-line'}>
      <p class="chat-about">
        <span class="chat-name">{isOwn ? text.call.you(entry.name) : entry.name}</span>{' '}
        <time dateTime={at.toISOString()}>{laterText.chat.moment(at)}</time>
      </p>
      <p class="chat-text">
        {partsOf(entry.text).map((part, index) =>
          part.href === null ? (
            part.text
          ) : (
            <a key={index} href={part.href} target="_blank" rel="noopener noreferrer">
              {part.text}
            </a>
          ),
        )}
      </p>
    </li>
  );
}

function Writing({ room }: { readonly room: Room }) {
  const [draft, setDraft] = useState('');
  const [sending, setSending] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);

  const send = async (): Promise<void> => {
    const message = sendable(draft);
    if (message === '') return;
    setDraft('');
    setProblem(null);
    setSending((count) => count + 1);
    try {
      await room.sendChat(message);
    } catch (error) {
      // What was written must not be lost.
      setDraft((now) => (now === '' ? message : `${message}\n${now}`));
      setProblem(chatProblem(error));
    } finally {
      setSending((count) => count - 1);
    }
  };
  const handleKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void send();
  };

  return (
    <form
      class="chat-form"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
        field.current?.focus();
      }}
    >
      {problem !== null && (
        <p class="field-error" role="alert">
          {problem}
        </p>
      )}
      {sending > 0 && <p class="hint">{laterText.chat.sending}</p>}
      <div>
        <textarea
          ref={field}
          rows={2}
          aria-label={laterText.chat.message}
          aria-describedby="chat-hint"
          maxLength={LONGEST}
          value={draft}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={handleKey}
        />
        <button type="submit" class="icon-button" aria-label={laterText.chat.send} title={laterText.chat.send}>
          <SendIcon />
        </button>
      </div>
      <p id="chat-hint" class="hint">
        {laterText.chat.hint}
      </p>
    </form>
  );
}

/** The server takes line breaks, but nothing else that cannot be seen. */
function sendable(draft: string): string {
  return draft
    .replace(/\t/gu, '  ')
    .replace(/[^\P{Cc}\n]/gu, '')
    .trim();
}

function chatProblem(error: unknown): string {
  const code = error instanceof StoaError ? error.code : 'closed';
  if (code === 'chat_disabled') return laterText.chat.isOff;
  if (code === 'unavailable') return laterText.chat.unavailable;
  if (code === 'forbidden') return laterText.chat.forbidden;
  return laterText.chat.notSent;
}

function ChatSwitch({ room, enabled }: { readonly room: Room; readonly enabled: boolean }) {
  const change = (wanted: boolean): void => {
    room.setChatEnabled(wanted).catch((error: unknown) => announce(refusalWords(error)));
  };
  return (
    <label class="check chat-switch">
      <input type="checkbox" checked={enabled} onChange={(event) => change(event.currentTarget.checked)} />
      {laterText.chat.mayWrite}
    </label>
  );
}

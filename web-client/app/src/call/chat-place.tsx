/** The chat's place in a call, and what is said about it while it is closed. */
import type { Room, RoomSnapshot } from '@stoa/client';
import { useEffect, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { useLoaded } from '../hooks';
import { ChatIcon, CloseIcon } from '../icons';
import { text } from '../text';
import { NewsGatherer } from './news';

const loadPanel = () => import('./chat');

interface ChatPlaceProps {
  readonly id: string;
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly onClose: () => void;
}

export function ChatPlace({ id, room, snapshot, onClose }: ChatPlaceProps) {
  const panel = useLoaded(loadPanel);
  return (
    <aside id={id} class="chat" aria-labelledby="chat-title">
      <div class="panel-head">
        <ChatIcon />
        <h2 id="chat-title">{text.chat.open}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label={text.chat.close}
          title={text.chat.close}
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </div>
      {panel.kind === 'ready' && <panel.value.ChatPanel room={room} snapshot={snapshot} />}
      {panel.kind === 'loading' && <p class="note-waiting">{text.chat.loading}</p>}
      {panel.kind === 'failed' && (
        <div class="note-waiting">
          <p>{text.chat.loadFailed}</p>
          <button type="button" class="button small" onClick={panel.retry}>
            {text.tryAgain}
          </button>
        </div>
      )}
    </aside>
  );
}

/** How many messages of others came while the chat was closed; each is announced once. */
export function useUnread(room: Room, isOpen: boolean): number {
  const [unread, setUnread] = useState(0);
  useEffect(() => {
    if (isOpen) {
      setUnread(0);
      return;
    }
    const gatherer = new NewsGatherer(announce);
    const stop = room.on('chat', ({ participant, name, text: words }) => {
      const { self, participants } = room.state;
      if (participant === self) return;
      setUnread((count) => count + 1);
      gatherer.add([{ message: text.chat.came(name, words) }], participants.length);
    });
    return () => {
      stop();
      gatherer.stop();
    };
  }, [room, isOpen]);
  return isOpen ? 0 : unread;
}

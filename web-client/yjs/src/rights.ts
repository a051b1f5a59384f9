import type { ParticipantId, RoomSnapshot } from '@stoa/client';
import type { PeerRights } from './peer-sync';

type Documents = 'none' | 'read' | 'write';

/** What the participants of a room may do with its documents, as the room stands at each moment. */
export function rightsIn(now: () => RoomSnapshot): PeerRights {
  return {
    mayRead: (id) => documentsOf(now(), id) !== 'none',
    mayWrite: (id) => documentsOf(now(), id) === 'write',
    get mayTalk() {
      return ownDocuments(now()) !== 'none';
    },
    get mayWriteOneself() {
      return ownDocuments(now()) === 'write';
    },
  };
}

/** The rights of everybody, to be compared. */
export function rightsKeys(state: RoomSnapshot): Map<ParticipantId, string> {
  const all = new Map<ParticipantId, string>(state.participants.map(({ id }) => [id, documentsOf(state, id)]));
  return all.set(state.self, ownDocuments(state));
}

/** Whose rights are not told may do everything, and who may not send data may do nothing. */
function documentsOf(state: RoomSnapshot, id: ParticipantId): Documents {
  const rights = state.participants.find((participant) => participant.id === id)?.rights;
  if (rights === undefined) {
    return 'write';
  }
  return rights.data ? rights.documents : 'none';
}

/** What oneself may do: as the others are told, or as the welcome said. */
export function ownDocuments(state: RoomSnapshot): Documents {
  if (state.participants.some(({ id }) => id === state.self)) {
    return documentsOf(state, state.self);
  }
  return state.grants.data ? state.grants.documents : 'none';
}

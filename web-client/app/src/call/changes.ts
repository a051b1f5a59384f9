/** What is worth saying aloud when a participant changes. */
import type { LinkStatus, ParticipantView } from '@stoa/client';
import { text } from '../text';

export type Heard = Pick<ParticipantView, 'name' | 'link' | 'path' | 'connected' | 'isSelf' | 'moderator'>;

export function spokenChanges(before: Heard | undefined, now: Heard): string[] {
  if (before === undefined) return [];
  const promoted = now.moderator && !before.moderator;
  if (now.isSelf) return promoted ? [text.call.youModerate] : [];
  const says: string[] = [];
  if (promoted) says.push(text.call.moderates(now.name));
  if (before.name !== now.name) says.push(text.call.renamed(before.name, now.name));
  if (before.link !== now.link) says.push(...linkChange(before.link, now));
  if (before.connected && !now.connected) says.push(text.call.signalLost(now.name));
  return says;
}

function linkChange(before: LinkStatus, now: Heard): string[] {
  switch (now.link) {
    case 'connected':
      return [text.call.linkUp(now.name)];
    case 'interrupted':
      return [text.call.linkInterrupted(now.name)];
    case 'failed':
      return [text.call.linkLost(now.name)];
    case 'connecting':
    case 'none':
      // A first attempt is part of joining, which was announced.
      return before === 'connected' ? [text.call.linkInterrupted(now.name)] : [];
  }
}

/** The words on a tile; null while everything is well. */
export function tileState(participant: Heard): string | null {
  if (participant.isSelf) return null;
  if (participant.link === 'interrupted') return text.call.interrupted;
  if (participant.link === 'failed') return text.call.linkFailed;
  // Media flows without the server: only the missing link makes a person unreachable, but they cannot be told of changes.
  if (!participant.connected) return text.call.theyReconnect;
  return participant.link === 'connected' ? null : text.call.connecting;
}

/** The connection with another person in words, also while all is well; null for oneself, who needs none. */
export function connectionWords(participant: Heard): string | null {
  return participant.isSelf ? null : (tileState(participant) ?? pathWords[participant.path]);
}

const pathWords = { direct: text.call.direct, relayed: text.call.relayed, unknown: text.call.linked };

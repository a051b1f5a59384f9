/** What is worth saying aloud when a participant changes. */
import type { LinkStatus, ParticipantView } from '@stoa/client';
import { text } from '../text';
import type { News } from './news';

export type Heard = Pick<ParticipantView, 'name' | 'link' | 'path' | 'connected' | 'isSelf' | 'moderator' | 'media'>;

/** Who speaks is never said: one hears it. */
export function newsOf(before: Heard | undefined, now: Heard): News[] {
  if (before === undefined) return [];
  const promoted = now.moderator && !before.moderator;
  if (now.isSelf) return promoted ? [{ words: text.call.youModerate }] : [];
  const { name } = now;
  const news: News[] = [];
  if (promoted) news.push({ kind: 'moderates', name });
  if (before.name !== name) news.push({ words: text.call.renamed(before.name, name) });
  if (before.link !== now.link) news.push(...linkNews(before.link, now));
  if (before.connected && !now.connected) news.push({ kind: 'signalLost', name });
  if (before.media.screen !== now.media.screen) {
    news.push({ kind: now.media.screen ? 'shares' : 'sharesNoMore', name });
  }
  return news;
}

function linkNews(before: LinkStatus, { link, name }: Heard): News[] {
  switch (link) {
    case 'connected':
      return [{ kind: 'linkUp', name }];
    case 'interrupted':
      return [{ kind: 'linkInterrupted', name }];
    case 'failed':
      return [{ kind: 'linkLost', name }];
    case 'connecting':
    case 'none':
      // A first attempt is part of joining, which was announced.
      return before === 'connected' ? [{ kind: 'linkInterrupted', name }] : [];
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
  return participant.isSelf ? null : (tileState(participant) ?? text.call.path[participant.path]);
}

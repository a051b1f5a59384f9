/** Words about a person that stand both on their tile and in the list of people. */
import type { ParticipantView } from '@stoa/client';
import { text, type Named } from '../text';
import { connectionWords, tileState } from './changes';

/** The way that picture and sound take, or what is wrong with it. */
export function Connection({ participant }: { readonly participant: ParticipantView }) {
  const words = connectionWords(participant);
  if (words === null) return null;
  const isGood = tileState(participant) === null;
  return (
    <p
      class={isGood ? 'connection' : 'connection troubled'}
      title={isGood ? text.call.pathHint[participant.path] : undefined}
    >
      {words}
    </p>
  );
}

/** The name is heard but not seen: it stands above. */
export function NamedWords({ words: [before, name, after] }: { readonly words: Named }) {
  return (
    <span>
      {before}
      <span class="visually-hidden">{name}</span>
      {after}
    </span>
  );
}

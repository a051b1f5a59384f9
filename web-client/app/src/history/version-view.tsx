/** One version: its text, or how it differs from now. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Text } from 'yjs';
import { DownloadIcon } from '../icons';
import { laterText } from '../later-text';
import { download } from '../note/download';
import { text } from '../text';
import { diffText, type Piece } from './diff';
import { versionTitle } from './names';
import { textOfUpdate } from './restore';
import { problemOf } from './use-versions';
import type { Version, Versions } from './versions';

interface VersionViewProps {
  readonly api: Versions;
  readonly version: Version;
  /** The note as it is. */
  readonly now: Text;
  readonly mayWrite: boolean;
  readonly onRestore: (former: string) => Promise<void>;
  readonly onRename: (name: string) => Promise<void>;
  readonly onRemove: () => Promise<void>;
}

type Shown = 'changes' | 'text';

export function VersionView({ api, version, now, mayWrite, onRestore, onRename, onRemove }: VersionViewProps) {
  const [former, problem] = useFormer(api, version.id);
  const [shown, setShown] = useState<Shown>('changes');
  return (
    <section class="version" aria-label={versionTitle(version)}>
      <div class="version-head">
        <h3>{versionTitle(version)}</h3>
        <ShownSwitch shown={shown} onChange={setShown} />
      </div>
      {former === null ? (
        <p class="version-text hint">{problem ?? laterText.history.loading}</p>
      ) : shown === 'text' ? (
        <pre class="version-text" tabIndex={0} role="region" aria-label={laterText.history.shows.text}>
          {former === '' ? laterText.history.empty : former}
        </pre>
      ) : (
        <Changes former={former} now={now.toString()} />
      )}
      <div class="version-actions">
        {mayWrite && former !== null && (
          <button type="button" class="button small primary" onClick={() => void onRestore(former)}>
            {laterText.history.restore}
          </button>
        )}
        {former !== null && (
          <button
            type="button"
            class="button small"
            onClick={() => download(`${versionTitle(version)}.md`, former, 'text/markdown')}
          >
            <DownloadIcon size={18} />
            {text.note.download}
          </button>
        )}
        {mayWrite && <Rename version={version} onRename={onRename} />}
        {mayWrite && <Remove onRemove={onRemove} />}
      </div>
    </section>
  );
}

function useFormer(api: Versions, id: string): [string | null, string | null] {
  const [former, setFormer] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    api.read(id).then(
      (update) => {
        if (!current) return;
        try {
          setFormer(textOfUpdate(update));
        } catch {
          setProblem(laterText.history.problem.other);
        }
      },
      (error: unknown) => current && setProblem(problemOf(error)),
    );
    return () => {
      current = false;
    };
  }, [api, id]);
  return [former, problem];
}

function ShownSwitch({ shown, onChange }: { readonly shown: Shown; readonly onChange: (shown: Shown) => void }) {
  return (
    <div class="version-shown" role="radiogroup" aria-label={laterText.history.show}>
      {(['changes', 'text'] as const).map((choice) => (
        <label key={choice}>
          <input type="radio" name="version-shown" checked={shown === choice} onChange={() => onChange(choice)} />
          {laterText.history.shows[choice]}
        </label>
      ))}
    </div>
  );
}

/** What was inserted and deleted since then, marked by colour, by line, and in words for those who see neither. */
function Changes({ former, now }: { readonly former: string; readonly now: string }) {
  const pieces = useMemo(() => diffText(former, now), [former, now]);
  if (pieces.every(({ kind }) => kind === 'same')) return <p class="version-text hint">{laterText.history.same}</p>;
  return (
    <>
      <p class="hint">{laterText.history.legend}</p>
      <pre class="version-text" tabIndex={0} role="region" aria-label={laterText.history.shows.changes}>
        {pieces.map((piece, index) => (
          <Change key={index} {...piece} />
        ))}
      </pre>
    </>
  );
}

function Change({ kind, text: words }: Piece) {
  if (kind === 'same') return <span>{words}</span>;
  const Mark = kind === 'inserted' ? 'ins' : 'del';
  return (
    <Mark>
      <span class="visually-hidden">{laterText.history.change[kind]} </span>
      {words}
    </Mark>
  );
}

interface RenameProps {
  readonly version: Version;
  readonly onRename: (name: string) => Promise<void>;
}

function Rename({ version, onRename }: RenameProps) {
  const [name, setName] = useState<string | null>(null);
  if (name === null) {
    return (
      <button type="button" class="button small" onClick={() => setName(version.name ?? '')}>
        {laterText.history.rename}
      </button>
    );
  }
  const rename = (event: Event): void => {
    event.preventDefault();
    const trimmed = name.trim();
    if (trimmed !== '') void onRename(trimmed).then(() => setName(null));
  };
  return (
    <form class="version-rename" onSubmit={rename}>
      <input
        type="text"
        aria-label={laterText.history.newName}
        autocomplete="off"
        maxLength={128}
        value={name}
        ref={(input) => input?.focus()}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" class="button small">
        {laterText.history.rename}
      </button>
      <button type="button" class="button small" onClick={() => setName(null)}>
        {laterText.history.cancel}
      </button>
    </form>
  );
}

function Remove({ onRemove }: { readonly onRemove: () => Promise<void> }) {
  const [isAsking, setIsAsking] = useState(false);
  if (!isAsking) {
    return (
      <button type="button" class="button small" onClick={() => setIsAsking(true)}>
        {laterText.history.remove}
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        class="button small danger-fill"
        ref={(button) => button?.focus()}
        onClick={() => void onRemove()}
      >
        {laterText.history.confirmRemove}
      </button>
      <button type="button" class="button small" onClick={() => setIsAsking(false)}>
        {laterText.history.cancel}
      </button>
    </>
  );
}

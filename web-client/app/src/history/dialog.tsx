/** The versions of a note: what it was, how it differs from now, and the way back. Loaded when it is opened. */
import { useEffect, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { Dialog } from '../call/dialog';
import { DownloadIcon } from '../icons';
import { laterText } from '../later-text';
import { download, fileName } from '../note/download';
import type { NoteSession } from '../note/session';
import { versionTitle } from './names';
import { restoreText } from './restore';
import { useVersions, type VersionsModel } from './use-versions';
import { VersionView } from './version-view';
import { Versions, type Version } from './versions';
import '../styles/history.css';

/** Longer names are cut by the server. */
const NAME_MAX = 128;

interface HistoryDialogProps {
  readonly session: NoteSession;
  readonly token: string | undefined;
  readonly onClose: () => void;
}

export function HistoryDialog({ session, token, onClose }: HistoryDialogProps) {
  const [api] = useState(() => new Versions(session.name, token));
  const model = useVersions(api);
  const [chosen, setChosen] = useState<string | null>(null);
  const version = model.versions.find(({ id }) => id === chosen) ?? null;
  const mayWrite = session.state.access === 'write';
  const author = session.state.editors.find((editor) => editor.isSelf)?.name ?? null;

  const restore = (former: string): Promise<void> =>
    model.attempt(async () => {
      // What is there now must not be lost by going back.
      await api.create(laterText.history.beforeRestoring, author);
      const { copy } = session.state;
      restoreText(copy.text, copy.undo, former);
      announce(laterText.history.restored);
      onClose();
    });

  return (
    <Dialog title={laterText.history.heading} closeLabel={laterText.history.close} onClose={onClose} wide>
      {mayWrite && (
        <SaveForm onSave={(name) => model.attempt(() => api.create(name, author), laterText.history.saved)} />
      )}
      {model.problem !== null && (
        <p class="field-error" role="alert">
          {model.problem}
        </p>
      )}
      <div class="history">
        <VersionList model={model} chosen={chosen} onChoose={setChosen} />
        {version === null ? (
          <p class="history-hint hint">{laterText.history.chooseOne}</p>
        ) : (
          <VersionView
            key={version.id}
            api={api}
            version={version}
            now={session.state.copy.text}
            mayWrite={mayWrite}
            onRestore={restore}
            onRename={(name) => model.attempt(() => api.rename(version.id, name), laterText.history.renamed)}
            onRemove={() => model.attempt(() => api.remove(version.id), laterText.history.removed)}
          />
        )}
      </div>
      <div class="dialog-actions">
        <button type="button" class="button small" onClick={() => exportUpdate(session)}>
          <DownloadIcon size={18} />
          {laterText.history.exportUpdate}
        </button>
      </div>
    </Dialog>
  );
}

function exportUpdate(session: NoteSession): void {
  download(`${fileName(session.name)}.yjs`, session.exportUpdate(), 'application/octet-stream');
}

function SaveForm({ onSave }: { readonly onSave: (name: string | null) => Promise<void> }) {
  const [name, setName] = useState('');
  const save = (event: Event): void => {
    event.preventDefault();
    const trimmed = name.trim();
    setName('');
    void onSave(trimmed === '' ? null : trimmed);
  };
  return (
    <form class="history-save" onSubmit={save}>
      <label for="version-name">{laterText.history.name}</label>
      <div>
        <input
          id="version-name"
          type="text"
          autocomplete="off"
          maxLength={NAME_MAX}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <button type="submit" class="button">
          {laterText.history.save}
        </button>
      </div>
    </form>
  );
}

interface VersionListProps {
  readonly model: VersionsModel;
  readonly chosen: string | null;
  readonly onChoose: (id: string) => void;
}

function VersionList({ model, chosen, onChoose }: VersionListProps) {
  const { versions, next, isLoading } = model;
  useEffect(() => {
    void model.load(null);
  }, []);
  if (versions.length === 0) {
    return <p class="history-none hint">{isLoading ? laterText.history.loading : laterText.history.none}</p>;
  }
  return (
    <div class="history-list">
      <ul>
        {versions.map((version) => (
          <li key={version.id}>
            <button
              type="button"
              aria-current={version.id === chosen ? 'true' : undefined}
              onClick={() => onChoose(version.id)}
            >
              <span class="version-title">{versionTitle(version)}</span>
              <span class="version-about">{about(version)}</span>
            </button>
          </li>
        ))}
      </ul>
      {next !== null && (
        <button type="button" class="button small" disabled={isLoading} onClick={() => void model.load(next)}>
          {laterText.history.earlier}
        </button>
      )}
    </div>
  );
}

function about({ name, createdAt, automatic, author }: Version): string {
  const moment = name === null ? null : laterText.history.moment(createdAt);
  const by = author === null ? null : laterText.history.by(author);
  return [moment, automatic ? laterText.history.automatic : null, by].filter((part) => part !== null).join(' · ');
}

import { text } from '../text';
import { Dialog } from './dialog';
import { SHORTCUTS } from './shortcuts';
import { setShortcuts, shortcutsOn } from './use-shortcuts';

const names: Readonly<Record<string, string>> = { ' ': text.shortcuts.space, Escape: text.shortcuts.escape };

export function HelpDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title={text.shortcuts.heading} closeLabel={text.shortcuts.close} onClose={onClose}>
      <p class="hint">{text.shortcuts.body}</p>
      <dl class="shortcuts">
        {SHORTCUTS.map(({ key, action }) => (
          <div key={action}>
            <dt>
              <kbd>{names[key] ?? key.toUpperCase()}</kbd>
            </dt>
            <dd>{text.shortcuts.does[action]}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={shortcutsOn.value}
          onChange={(event) => setShortcuts(event.currentTarget.checked)}
        />
        {text.shortcuts.enabled}
      </label>
    </Dialog>
  );
}

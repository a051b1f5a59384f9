import { useEffect } from 'preact/hooks';
import { announce } from '../announcer';
import { SiteHeader } from '../brand';
import { usePage } from '../hooks';
import { StoaMark } from '../icons';
import { text } from '../text';

interface ReturningProps {
  readonly room: string;
  readonly onCancel: () => void;
}

/** Usually seen for a moment only: the page was reloaded during a call. */
export function Returning({ room, onCancel }: ReturningProps) {
  const heading = usePage(text.returning.title(room));
  useEffect(() => announce(text.returning.heading), []);
  return (
    <div class="page">
      <SiteHeader />
      <main class="message">
        <StoaMark size={56} />
        <h1 ref={heading} tabIndex={-1}>
          {text.returning.heading}
        </h1>
        <p class="message-progress">
          <span class="spinner" />
          {text.returning.body}
        </p>
        <button type="button" class="button" onClick={onCancel}>
          {text.returning.cancel}
        </button>
      </main>
    </div>
  );
}

import type { StoaErrorCode } from '@stoa/client';
import { Link, SiteHeader } from '../brand';
import { usePage } from '../hooks';
import { StoaMark, WarningIcon } from '../icons';
import { text } from '../text';

interface AfterCallProps {
  readonly room: string;
  /** Why the call ended by itself; null if the person left. */
  readonly problem: StoaErrorCode | null;
  readonly onAgain: () => void;
}

export function AfterCall({ room, problem: code, onAgain }: AfterCallProps) {
  const heading = usePage(code === null ? text.left.title : text.left.failedTitle);
  const problem = code === null ? null : text.problem[code];
  return (
    <div class="page">
      <SiteHeader />
      <main class="message">
        {problem === null ? <StoaMark size={56} /> : <WarningIcon size={48} />}
        <h1 ref={heading} tabIndex={-1}>
          {problem?.title ?? text.left.heading}
        </h1>
        <p>{problem === null ? text.left.body(room) : `${problem.why} ${problem.fix}`}</p>
        <div class="message-actions">
          <button type="button" class="button primary" onClick={onAgain}>
            {text.left.again}
          </button>
          <Link href="/" class="button">
            {text.backToStart}
          </Link>
        </div>
      </main>
    </div>
  );
}

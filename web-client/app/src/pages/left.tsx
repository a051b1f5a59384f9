import { Link, SiteHeader } from '../brand';
import { isFinal, roomProblem, type Trouble } from '../call/room-problem';
import { usePage } from '../hooks';
import { StoaMark, WarningIcon } from '../icons';
import { text } from '../text';

interface AfterCallProps {
  readonly room: string;
  /** Why the call ended by itself; null if the person left. */
  readonly problem: Trouble | null;
  readonly onAgain: () => void;
}

export function AfterCall({ room, problem: trouble, onAgain }: AfterCallProps) {
  const heading = usePage(trouble === null ? text.left.title : text.left.failedTitle);
  const problem = trouble === null ? null : roomProblem(trouble);
  const mayJoin = trouble === null || !isFinal(trouble);
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
          {mayJoin && (
            <button type="button" class="button primary" onClick={onAgain}>
              {text.left.again}
            </button>
          )}
          <Link href="/" class={mayJoin ? 'button' : 'button primary'}>
            {text.backToStart}
          </Link>
        </div>
      </main>
    </div>
  );
}

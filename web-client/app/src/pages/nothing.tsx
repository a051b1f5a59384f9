import { Link, SiteHeader } from '../brand';
import { usePage } from '../hooks';
import { StoaMark } from '../icons';
import { text } from '../text';

export function Nothing({ bad }: { readonly bad: 'room' | 'document' | null }) {
  const heading = usePage(text.nothing.title);
  return (
    <div class="page">
      <SiteHeader />
      <main class="message">
        <StoaMark size={56} />
        <h1 ref={heading} tabIndex={-1}>
          {text.nothing.heading}
        </h1>
        <p>{bad === null ? text.nothing.body : text.nothing.bad[bad]}</p>
        <Link href="/" class="button primary">
          {text.backToStart}
        </Link>
      </main>
    </div>
  );
}

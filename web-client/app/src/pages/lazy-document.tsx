import { SiteHeader } from '../brand';
import { useLoaded } from '../hooks';
import { text } from '../text';

const loadPage = () => import('./document');

/** The page of a document, which brings the editor with it. */
export function LazyDocumentPage({ doc }: { readonly doc: string }) {
  const page = useLoaded(loadPage);
  if (page.kind === 'ready') return <page.value.DocumentPage doc={doc} />;
  return (
    <div class="page">
      <SiteHeader />
      <main class="message">
        <h1>{doc}</h1>
        <p>{page.kind === 'loading' ? text.document.loading : text.document.loadFailed}</p>
        {page.kind === 'failed' && (
          <button type="button" class="button" onClick={page.retry}>
            {text.tryAgain}
          </button>
        )}
      </main>
    </div>
  );
}

/** Which page an address means, and how to go to another one without a reload. */
import { signal } from '@preact/signals';
import { docOfPath, passKeyOfDoc, pathOfDoc } from './doc-name';
import { keepPass, parsePass } from './pass';
import { parseRoomName, pathOfRoom, roomOfPath } from './room-name';

export type Route =
  | { readonly page: 'landing' }
  | { readonly page: 'room'; readonly room: string }
  | { readonly page: 'document'; readonly doc: string }
  | { readonly page: 'nothing'; readonly bad: 'room' | 'document' | null };

export const route = signal<Route>({ page: 'landing' });

/** True once the first page was left: from then on a new page's heading takes the focus. */
export const navigated = signal(false);

export function routeOf(path: string): Route {
  if (path === '/') return { page: 'landing' };
  if (path.startsWith('/d/')) {
    const doc = docOfPath(path);
    return doc === null ? { page: 'nothing', bad: 'document' } : { page: 'document', doc };
  }
  const named = roomOfPath(path);
  if (named === null) return { page: 'nothing', bad: null };
  const name = parseRoomName(named);
  return name.ok ? { page: 'room', room: name.room } : { page: 'nothing', bad: 'room' };
}

export function navigate(path: string): void {
  history.pushState(null, '', path);
  navigated.value = true;
  read();
}

/** Follows the address; call once. */
export function startRouter(): void {
  addEventListener('popstate', () => {
    navigated.value = true;
    read();
  });
  read();
}

function read(): void {
  const next = routeOf(location.pathname);
  if (next.page === 'room') settle(pathOfRoom(next.room), next.room);
  if (next.page === 'document') settle(pathOfDoc(next.doc), passKeyOfDoc(next.doc));
  route.value = next;
}

/**
 * One room has one address: `/r/Amber Otter` and `/r/amber-otter` must not look like two. And whoever copies the address
 * or looks over the shoulder gets no pass.
 */
function settle(path: string, passKey: string): void {
  const pass = parsePass(location.hash);
  if (pass !== null) keepPass(passKey, pass);
  if (pass !== null || location.pathname !== path) history.replaceState(null, '', path);
}

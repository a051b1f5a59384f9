import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import { navigated } from './router';

/** Anything with an immutable snapshot that says when it was replaced: a Room, a LocalMedia, a NoteSession. */
export interface Store<T> {
  readonly state: T;
  subscribe(listener: () => void): () => void;
}

/** The store's snapshot; renders again whenever it is replaced. */
export function useStore<T>(store: Store<T>): T {
  const [, render] = useReducer((count: number, _: void) => count + 1, 0);
  const shown = store.state;
  useLayoutEffect(() => {
    // It may have changed between rendering and subscribing.
    if (store.state !== shown) render();
    return store.subscribe(() => render());
  }, [store]);
  return shown;
}

/** Sets the page's title and, except on the very first page, moves the focus to its heading. */
export function usePage(title: string): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title;
  }, [title]);
  useEffect(() => {
    if (navigated.peek()) heading.current?.focus();
    else navigated.value = true;
  }, []);
  return heading;
}

/** Shows a stream in a media element; a stream cannot be given as an attribute. */
export function useStream(video: RefObject<HTMLVideoElement | null>, stream: MediaStream | null): void {
  useLayoutEffect(() => {
    const element = video.current;
    if (element === null) return;
    if (element.srcObject !== stream) element.srcObject = stream;
    return () => {
      element.srcObject = null;
    };
  }, [video, stream]);
}

/** A part of the app that is loaded when it is needed. */
export type Loading<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'failed'; readonly retry: () => void }
  | { readonly kind: 'ready'; readonly value: T };

const LOADING = { kind: 'loading' } as const;

/** Loads a part; `load` must be the same function at every call. */
export function useLoaded<T>(load: () => Promise<T>): Loading<T> {
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<Loading<T>>(LOADING);

  useEffect(() => {
    let current = true;
    setState(LOADING);
    load().then(
      (value) => current && setState({ kind: 'ready', value }),
      () => current && setState({ kind: 'failed', retry: () => setAttempt((count) => count + 1) }),
    );
    return () => {
      current = false;
    };
  }, [load, attempt]);

  return state;
}

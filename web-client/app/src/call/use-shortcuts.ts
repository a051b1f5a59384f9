/** Listens to the keyboard during a call. */
import { signal } from '@preact/signals';
import type { LocalMedia } from '@stoa/client';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { recall, remember } from '../storage';
import { isOn } from './device-state';
import { focusOf, PushToTalk, shortcutOf, type ShortcutAction } from './shortcuts';

export const shortcutsOn = signal(recall('stoa.shortcuts') !== 'off');

export function setShortcuts(on: boolean): void {
  remember('stoa.shortcuts', on ? 'on' : 'off');
  shortcutsOn.value = on;
}

/** For `aria-keyshortcuts`. */
export function shortcutHint(key: string): string | undefined {
  return shortcutsOn.value ? key : undefined;
}

/** What is open on top handles its own keys. */
const ON_TOP = 'dialog[open], :popover-open';

export type Act = (action: Exclude<ShortcutAction, 'talk'>) => void;

export function useShortcuts(media: LocalMedia, act: Act, mayTalk: boolean): void {
  const latest = useRef({ act, mayTalk });
  useLayoutEffect(() => {
    latest.current = { act, mayTalk };
  });

  useEffect(() => {
    const talk = new PushToTalk();

    const down = (event: KeyboardEvent): void => {
      // A held key repeats: the page must not scroll meanwhile.
      if (event.key === ' ' && talk.isHeld) event.preventDefault();
      if (document.querySelector(ON_TOP) !== null) return;
      const target = event.target instanceof Element ? event.target : null;
      const action = shortcutOf(event, focusOf(target), shortcutsOn.peek());
      if (action === null) return;
      event.preventDefault();
      if (action !== 'talk') latest.current.act(action);
      else if (latest.current.mayTalk && talk.press(isOn(media.state, 'microphone')))
        void media.setMicrophoneEnabled(true);
    };
    const release = (): void => {
      if (talk.release()) void media.setMicrophoneEnabled(false);
    };
    const up = (event: KeyboardEvent): void => {
      if (event.key !== ' ' || !talk.isHeld) return;
      // If the focus went to a button meanwhile, letting go would press it.
      event.preventDefault();
      release();
    };

    const released = ['blur', 'pagehide'] as const;
    addEventListener('keydown', down);
    addEventListener('keyup', up);
    for (const name of released) addEventListener(name, release);
    document.addEventListener('visibilitychange', release);
    return () => {
      removeEventListener('keydown', down);
      removeEventListener('keyup', up);
      for (const name of released) removeEventListener(name, release);
      document.removeEventListener('visibilitychange', release);
      release();
    };
  }, [media]);
}

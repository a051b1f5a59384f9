/** Sharing one's own screen: the button, the notice while it is shared, and what went wrong. */
import type { LocalMedia, LocalMediaState, RoomSnapshot } from '@stoa/client';
import { StoaError } from '@stoa/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { useStream } from '../hooks';
import { CloseIcon, ScreenIcon, ScreenStopIcon, WarningIcon } from '../icons';
import { text, type Problem } from '../text';
import { shortcutHint } from './use-shortcuts';

export interface Sharing {
  readonly isShared: boolean;
  readonly problem: Problem | null;
  /** Begins or ends; must be called from a click or a key. */
  readonly toggle: () => void;
  readonly dismiss: () => void;
}

/** Null where it cannot be done: browsers of phones have no way, and not everybody may. */
export function useSharing(media: LocalMedia, state: LocalMediaState, { grants }: RoomSnapshot): Sharing | null {
  const [problem, setProblem] = useState<Problem | null>(null);
  const isShared = state.screen !== null;
  useSharingAnnouncements(isShared);

  const start = async (): Promise<void> => {
    setProblem(null);
    try {
      await media.startScreen();
    } catch (error) {
      const shown = sharingProblem(error);
      setProblem(shown);
      if (shown !== null) announce(`${shown.title}. ${shown.fix}`);
    }
  };
  if (!canShareScreens() || !grants.publish.includes('screen')) return null;
  return {
    isShared,
    problem,
    toggle: () => (isShared ? media.stopScreen() : void start()),
    dismiss: () => setProblem(null),
  };
}

/** Null: nobody needs to be told, for they have just said no themselves. */
export function sharingProblem(error: unknown): Problem | null {
  const code = error instanceof StoaError ? error.code : 'screen_failed';
  return code === 'screen_denied' ? null : text.problem[code];
}

/** On an insecure page `mediaDevices` does not exist, whatever its type says. */
function canShareScreens(): boolean {
  return typeof (navigator.mediaDevices as MediaDevices | undefined)?.getDisplayMedia === 'function';
}

function useSharingAnnouncements(isShared: boolean): void {
  const before = useRef(isShared);
  useEffect(() => {
    if (before.current === isShared) return;
    before.current = isShared;
    announce(isShared ? text.screen.isShared : text.screen.isSharedNoMore);
  }, [isShared]);
}

export function ScreenButton({ sharing: { isShared, toggle } }: { readonly sharing: Sharing }) {
  const label = isShared ? text.screen.stop : text.screen.share;
  return (
    <button
      type="button"
      class={isShared ? 'control pressed' : 'control'}
      aria-label={label}
      aria-keyshortcuts={shortcutHint('S')}
      title={label}
      onClick={toggle}
    >
      {isShared ? <ScreenStopIcon /> : <ScreenIcon />}
      <span class="control-text">{isShared ? text.screen.stop : text.screen.short}</span>
    </button>
  );
}

/** Small: large, one's own screen would show itself in itself. */
export function SharingNotice({ sharing, stream }: { readonly sharing: Sharing; readonly stream: MediaStream | null }) {
  const { problem, dismiss } = sharing;
  return (
    <>
      {stream !== null && <SharedPreview stream={stream} />}
      {problem !== null && (
        <div class="banner">
          <WarningIcon size={18} />
          <p>
            {problem.title}. {problem.fix}
          </p>
          <button
            type="button"
            class="icon-button"
            aria-label={text.call.dismiss}
            title={text.call.dismiss}
            onClick={dismiss}
          >
            <CloseIcon size={18} />
          </button>
        </div>
      )}
    </>
  );
}

function SharedPreview({ stream }: { readonly stream: MediaStream }) {
  const video = useRef<HTMLVideoElement>(null);
  useStream(video, stream);
  return (
    <div class="banner quiet sharing">
      <video ref={video} autoplay playsinline muted tabIndex={-1} aria-hidden="true" />
      <p>{text.screen.isShared}</p>
    </div>
  );
}

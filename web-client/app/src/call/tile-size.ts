/** Tells the SDK how large a picture is shown, so that no more comes than is seen. */
import type { PictureSource, Room, Tile } from '@stoa/client';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export interface Shown {
  /** Of the element, in CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
  /** Whether any of it is inside the window. */
  readonly isInView: boolean;
  /** Whether the tab is in front. */
  readonly isPageVisible: boolean;
  readonly isLarge: boolean;
}

/** Who is looked at gets bandwidth before the others. */
const PRIORITY = { large: 200, usual: 100 };

/** Null: nobody sees it. */
export function tileOf({ width, height, ratio, isInView, isPageVisible, isLarge }: Shown): Tile | null {
  if (!isInView || !isPageVisible || width < 1 || height < 1) return null;
  return {
    width: Math.round(width * ratio),
    height: Math.round(height * ratio),
    priority: isLarge ? PRIORITY.large : PRIORITY.usual,
  };
}

/** Reports the size of a remote picture as long as it is there. */
export function useTileSize(
  room: Room,
  participant: string,
  source: PictureSource,
  video: RefObject<HTMLVideoElement | null>,
  isLarge: boolean,
  isSelf: boolean,
): void {
  const large = useRef(isLarge);
  large.current = isLarge;
  const told = useRef<() => void>(undefined);

  useEffect(() => {
    const element = video.current;
    if (element === null || isSelf) return;
    let isInView = true;
    const tell = (): void => {
      const { width, height } = element.getBoundingClientRect();
      const isPageVisible = document.visibilityState === 'visible';
      const shown = { width, height, ratio: devicePixelRatio, isInView, isPageVisible, isLarge: large.current };
      room.setTile(participant, source, tileOf(shown));
    };
    told.current = tell;
    const sizes = new ResizeObserver(tell);
    const sights = new IntersectionObserver((entries) => {
      isInView = entries.at(-1)?.isIntersecting ?? isInView;
      tell();
    });
    sizes.observe(element);
    sights.observe(element);
    document.addEventListener('visibilitychange', tell);
    return () => {
      told.current = undefined;
      sizes.disconnect();
      sights.disconnect();
      document.removeEventListener('visibilitychange', tell);
      room.setTile(participant, source, null);
    };
  }, [room, participant, source, isSelf]);

  useEffect(() => told.current?.(), [isLarge]);
}

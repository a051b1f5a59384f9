/** What happens to one's own devices without one's doing, told on the page and aloud. */
import type { LocalMedia, LocalMediaState, Room, RoomSnapshot, Source } from '@stoa/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { CameraOffIcon, CloseIcon, MicrophoneOffIcon, ScreenStopIcon, WarningIcon } from '../icons';
import { text } from '../text';
import { deviceProblems } from './device-problems';
import { isOn } from './device-state';
import { shortcutsOn } from './use-shortcuts';

const TALKING_SHOWN_MS = 6000;

const KINDS = ['microphone', 'camera'] as const;

/** Says when the own microphone or camera goes on or off, whatever the cause. */
export function useDeviceAnnouncements(state: LocalMediaState): void {
  const microphone = isOn(state, 'microphone');
  const camera = isOn(state, 'camera');
  const before = useRef({ microphone, camera });
  useEffect(() => {
    const was = before.current;
    before.current = { microphone, camera };
    if (was.microphone !== microphone) announce(microphone ? text.call.microphoneOn : text.call.microphoneIsOff);
    if (was.camera !== camera) announce(camera ? text.call.cameraIsOn : text.call.cameraIsOff);
  }, [microphone, camera]);
}

/** Only says that something is wrong: what mends it stands in the dialog "Devices". */
export function DeviceBanner({ state }: { readonly state: LocalMediaState }) {
  const problems = deviceProblems(state);
  if (problems.length === 0) return null;
  return (
    <p class="banner">
      <WarningIcon size={18} />
      {text.call.deviceTrouble(problems.map((problem) => problem.title))}
    </p>
  );
}

/** What may not be sent is not recorded either: no light shall burn for nothing. */
export function useOnlyGranted(media: LocalMedia, mayBeHeard: boolean, mayBeSeen: boolean): void {
  useEffect(() => {
    if (!mayBeHeard) void media.setMicrophoneEnabled(false);
    if (!mayBeSeen) void media.setCameraEnabled(false);
    if (!mayBeHeard && !mayBeSeen) media.stop();
  }, [media, mayBeHeard, mayBeSeen]);
}

const SENT = { microphone: text.call.sound, camera: text.call.picture } as const;

/** Says what one may not do in this room. */
export function ListenerBanner({ snapshot: { grants } }: { readonly snapshot: RoomSnapshot }) {
  const missing = KINDS.filter((kind) => !grants.publish.includes(kind));
  const words = missing.length === 0 ? [] : [text.call.mayNotSend(missing.map((kind) => SENT[kind]))];
  if (!grants.subscribe) words.push(text.call.mayNotReceive);
  return words.length === 0 ? null : <p class="banner quiet">{words.join(' ')}</p>;
}

/**
 * The others are told by the server when somebody goes on, and play nothing before. What was on when the connection got
 * lost is heard and seen all the time.
 */
export function ServerLostBanner({ state }: { readonly state: LocalMediaState }) {
  const before = useRef(KINDS.filter((kind) => isOn(state, kind)));
  const since = KINDS.filter((kind) => isOn(state, kind) && !before.current.includes(kind));
  const notYet = since.length === 0 ? null : text.call.notYet(since.map((kind) => SENT[kind]));
  useEffect(() => {
    if (notYet !== null) announce(notYet);
  }, [notYet]);
  return (
    <p class="banner">
      <span class="spinner" />
      {text.call.serverLost} {notYet}
    </p>
  );
}

interface SwitchedOffProps {
  readonly room: Room;
  readonly state: LocalMediaState;
}

interface SwitchedOffNotice {
  readonly kind: Source;
  readonly words: string;
}

/** A moderator switched something off; shown until it is on again or dismissed. */
export function SwitchedOffNotices({ room, state }: SwitchedOffProps) {
  const [notices, setNotices] = useState<readonly SwitchedOffNotice[]>([]);
  const drop = (gone: Source): void => setNotices((all) => all.filter(({ kind }) => kind !== gone));

  useEffect(
    () =>
      room.on('muted', (by, source) => {
        const words = text.call.switchedOff(by?.name ?? null, source);
        announce(words);
        setNotices((all) => [...all.filter(({ kind }) => kind !== source), { kind: source, words }]);
      }),
    [room],
  );

  const on: Source[] = KINDS.filter((kind) => isOn(state, kind));
  if (state.screen !== null) on.push('screen');
  useEffect(() => on.forEach(drop), [on.join()]);

  return (
    <>
      {notices.map(({ kind, words }) => (
        <div class="banner" key={kind}>
          <SwitchedOffIcon kind={kind} />
          <p>{words}</p>
          <button
            type="button"
            class="icon-button"
            aria-label={text.call.dismiss}
            title={text.call.dismiss}
            onClick={() => drop(kind)}
          >
            <CloseIcon size={18} />
          </button>
        </div>
      ))}
    </>
  );
}

function SwitchedOffIcon({ kind }: { readonly kind: Source }) {
  switch (kind) {
    case 'microphone':
      return <MicrophoneOffIcon size={18} />;
    case 'camera':
      return <CameraOffIcon size={18} />;
    case 'screen':
      return <ScreenStopIcon size={18} />;
  }
}

interface TalkingProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
}

/** Beside the microphone's button: one speaks, and nobody can hear it. */
export function TalkingWhileMuted({ media, state }: TalkingProps) {
  const [times, setTimes] = useState(0);
  const muted = !isOn(state, 'microphone');
  const words = shortcutsOn.value ? text.call.talkingMuted : text.call.talkingMutedNoKeys;

  useEffect(() => media.onTalkingWhileMuted(() => setTimes((count) => count + 1)), [media]);
  useEffect(() => {
    if (times === 0) return;
    if (!muted) {
      setTimes(0);
      return;
    }
    announce(words);
    const timer = setTimeout(() => setTimes(0), TALKING_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [times, muted]);

  return times > 0 && muted ? <p class="talking">{words}</p> : null;
}

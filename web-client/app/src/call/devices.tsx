/** Everything to do with one's own devices: choice, level meter, problems, on and off. */
import type { LocalMedia, LocalMediaState } from '@stoa/client';
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { announce } from '../announcer';
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon, WarningIcon } from '../icons';
import { text, type DeviceKind } from '../text';
import { deviceProblems } from './device-problems';
import { isOn } from './device-state';

/** The speaker that the whole page uses; empty is the system's own choice. */
export const speaker = signal('');

interface MediaProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
}

interface ToggleProps {
  readonly on: boolean;
  readonly label: string;
  readonly short: string;
  readonly shortcut: string | undefined;
  /** Why it cannot be switched on; null: it can. It stays, so that nobody looks for it. */
  readonly barred: string | null;
  readonly onClick: () => void;
  readonly children: ComponentChildren;
}

function Toggle({ on, label, short, shortcut, barred, onClick, children }: ToggleProps) {
  return (
    <button
      type="button"
      class={on ? 'control' : 'control off'}
      aria-label={barred ?? label}
      aria-keyshortcuts={shortcut}
      aria-disabled={barred !== null}
      title={barred ?? label}
      onClick={barred === null ? onClick : () => announce(barred)}
    >
      {children}
      <span class="control-text">{short}</span>
    </button>
  );
}

interface DeviceButtonProps extends MediaProps {
  /** Whether it may be sent in this room. */
  readonly allowed?: boolean;
  /** The key that does the same, where there is one. */
  readonly shortcut?: string | undefined;
}

export function MicrophoneButton({ media, state, shortcut, allowed = true }: DeviceButtonProps) {
  const on = allowed && isOn(state, 'microphone');
  return (
    <Toggle
      on={on}
      label={on ? text.call.mute : text.call.unmute}
      short={text.call.microphoneShort}
      shortcut={shortcut}
      barred={allowed ? null : text.call.mayNotSpeak}
      onClick={() => void media.setMicrophoneEnabled(!on)}
    >
      {on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
    </Toggle>
  );
}

export function CameraButton({ media, state, shortcut, allowed = true }: DeviceButtonProps) {
  const on = allowed && isOn(state, 'camera');
  return (
    <Toggle
      on={on}
      label={on ? text.call.cameraOff : text.call.cameraOn}
      short={text.call.cameraShort}
      shortcut={shortcut}
      barred={allowed ? null : text.call.mayNotBeSeen}
      onClick={() => void media.setCameraEnabled(!on)}
    >
      {on ? <CameraIcon /> : <CameraOffIcon />}
    </Toggle>
  );
}

interface Choice {
  readonly deviceId: string;
  readonly label: string;
}

interface SelectProps {
  readonly label: string;
  readonly choices: readonly Choice[];
  readonly value: string | null;
  /** There is none, as far as the browser says. */
  readonly missing?: boolean;
  readonly onChoose: (deviceId: string) => void;
}

function DeviceSelect({ label, choices, value, missing = false, onChoose }: SelectProps) {
  const id = useId();
  const isKnown = choices.some((choice) => choice.deviceId === value);
  // Before permission is given, browsers do not tell which devices there are.
  const unknown = missing ? text.devices.none(label) : text.devices.notAllowedYet;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        disabled={choices.length === 0}
        value={isKnown ? (value ?? '') : ''}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {!isKnown && <option value="">{choices.length === 0 ? unknown : text.devices.choose(label)}</option>}
        {choices.map((choice, index) => (
          <option key={choice.deviceId} value={choice.deviceId} selected={choice.deviceId === value}>
            {choice.label || text.devices.unnamed(label, index + 1)}
          </option>
        ))}
      </select>
    </div>
  );
}

export function MicrophoneSelect({ media, state }: MediaProps) {
  return (
    <DeviceSelect
      label={text.devices.microphone}
      choices={state.microphones}
      value={state.microphone.deviceId}
      missing={state.microphone.error?.code === 'not_found'}
      onChoose={(id) => void media.switchDevice('microphone', id)}
    />
  );
}

export function CameraSelect({ media, state }: MediaProps) {
  return (
    <DeviceSelect
      label={text.devices.camera}
      choices={state.cameras}
      value={state.camera.deviceId}
      missing={state.camera.error?.code === 'not_found'}
      onChoose={(id) => void media.switchDevice('camera', id)}
    />
  );
}

/** Left out where the browser cannot choose a speaker. */
export function SpeakerSelect({ state }: Pick<MediaProps, 'state'>) {
  if (!('setSinkId' in HTMLMediaElement.prototype) || state.speakers.length === 0) return null;
  const others = state.speakers.filter((choice) => choice.deviceId !== 'default' && choice.deviceId !== '');
  return (
    <DeviceSelect
      label={text.devices.speaker}
      choices={[{ deviceId: 'default', label: text.devices.systemSpeaker }, ...others]}
      value={speaker.value === '' ? 'default' : speaker.value}
      onChoose={(id) => {
        speaker.value = id === 'default' ? '' : id;
      }}
    />
  );
}

/** How often assistive technology is told a new value; the bar itself moves on every frame. */
const METER_VALUE_MS = 500;

export function LevelMeter({ media }: Pick<MediaProps, 'media'>) {
  const meter = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let told = 0;
    return media.onLevel((level) => {
      const element = meter.current;
      if (element === null) return;
      // Speech sits in the lowest part of the range, so the bar shows the root.
      const shown = Math.min(1, Math.sqrt(Math.max(0, level)));
      element.style.setProperty('--level', shown.toFixed(3));
      const now = performance.now();
      if (now - told < METER_VALUE_MS) return;
      told = now;
      const percent = Math.round(shown * 100);
      element.ariaValueNow = String(percent);
      element.ariaValueText = text.devices.levelText(percent);
    });
  }, [media]);
  return (
    <div
      ref={meter}
      class="meter"
      role="meter"
      aria-label={text.devices.level}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
    >
      <span class="meter-fill" />
    </div>
  );
}

interface DeviceProblemsProps extends MediaProps {
  /** Level of the titles, so that the page's headings stay in order. */
  readonly level: 2 | 3;
}

export function DeviceProblems({ media, state, level }: DeviceProblemsProps) {
  const problems = deviceProblems(state);
  const summary = problems.map((problem) => `${problem.title}.`).join(' ');
  useEffect(() => {
    if (summary !== '') announce(summary);
  }, [summary]);
  const Title = level === 2 ? 'h2' : 'h3';

  const again = (kinds: readonly DeviceKind[]): void => {
    // Both together, so that the browser asks once.
    if (kinds.length > 1) void media.start();
    else if (kinds[0] === 'camera') void media.setCameraEnabled(true);
    else void media.setMicrophoneEnabled(true);
  };

  return (
    <>
      {problems.map((problem) => (
        <div class="notice warning" key={problem.kinds.join()}>
          <WarningIcon />
          <div class="notice-words">
            <Title>{problem.title}</Title>
            <p>{problem.why}</p>
            <p class="notice-fix">{problem.fix}</p>
            <button type="button" class="button small" onClick={() => again(problem.kinds)}>
              {text.tryAgain}
            </button>
          </div>
        </div>
      ))}
    </>
  );
}

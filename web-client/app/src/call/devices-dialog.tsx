import type { LocalMedia, LocalMediaState } from '@stoa/client';
import { useEffect } from 'preact/hooks';
import { text } from '../text';
import { CameraSelect, DeviceProblems, LevelMeter, MicrophoneSelect, SpeakerSelect } from './devices';
import { Dialog } from './dialog';

interface DevicesDialogProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
  readonly onClose: () => void;
}

export function DevicesDialog({ media, state, onClose }: DevicesDialogProps) {
  useEffect(() => void media.refreshDevices(), [media]);
  return (
    <Dialog title={text.devices.heading} closeLabel={text.devices.close} onClose={onClose}>
      <DeviceProblems media={media} state={state} level={3} />
      <CameraSelect media={media} state={state} />
      <MicrophoneSelect media={media} state={state} />
      <LevelMeter media={media} />
      <SpeakerSelect state={state} />
    </Dialog>
  );
}

import type { LocalMedia, LocalMediaState } from '@stoa/client';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { CloseIcon } from '../icons';
import { text } from '../text';
import { CameraSelect, DeviceProblems, LevelMeter, MicrophoneSelect, SpeakerSelect } from './devices';

interface DevicesDialogProps {
  readonly media: LocalMedia;
  readonly state: LocalMediaState;
  readonly onClose: () => void;
}

/** Exists only while it is open, so that the level is measured only while somebody looks. */
export function DevicesDialog({ media, state, onClose }: DevicesDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    element.showModal();
    void media.refreshDevices();
    return () => element.close();
  }, [media]);

  const closeOutside = (event: MouseEvent): void => {
    // The dialog's own box is filled by its child, so that only the backdrop is the dialog itself.
    if (event.target === dialog.current) dialog.current?.close();
  };

  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="devices-title" onClose={onClose} onClick={closeOutside}>
      <div class="dialog-box">
        <div class="dialog-head">
          <h2 id="devices-title">{text.devices.heading}</h2>
          <button
            type="button"
            class="icon-button"
            aria-label={text.devices.close}
            title={text.devices.close}
            onClick={() => dialog.current?.close()}
          >
            <CloseIcon />
          </button>
        </div>
        <DeviceProblems media={media} state={state} level={3} />
        <CameraSelect media={media} state={state} />
        <MicrophoneSelect media={media} state={state} />
        <LevelMeter media={media} />
        <SpeakerSelect state={state} />
      </div>
    </dialog>
  );
}

import type { ParticipantView } from '@stoa/client';
import { SpeakerIcon } from '../icons';
import { text } from '../text';
import { FULL_VOLUME, setVolume, volumeOf } from './volume';

/** How loud one person is for oneself. */
export function VolumeSlider({ participant: { id, name } }: { readonly participant: ParticipantView }) {
  const percent = volumeOf(id);
  return (
    <label class="volume">
      <SpeakerIcon size={18} />
      <input
        type="range"
        min={0}
        max={FULL_VOLUME}
        step={5}
        value={percent}
        aria-label={text.call.volume(name)}
        aria-valuetext={text.call.volumeText(percent)}
        onInput={(event) => setVolume(id, event.currentTarget.valueAsNumber)}
      />
      <span class="volume-value" aria-hidden="true">
        {percent} %
      </span>
    </label>
  );
}

/** In the menu of a tile: how good the picture is to come, and how it does come. */
import type { PictureSource, TileQuality, TrackStats } from '@stoa/client';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { laterText } from '../later-text';
import { QUALITIES, qualityOf, setQuality } from './quality';
import { pictureRows, soundRows, wayRows, type StatsRow } from './stats-words';
import type { TileMenuProps } from './tile-menu';

const PERIOD_MS = 1000;

export function TileDetails(props: TileMenuProps) {
  const { room, participant } = props;
  const id = useId();
  const [open, setOpen] = useState(false);
  const canChoose = room.state.topology === 'sfu' && !participant.isSelf;
  return (
    <>
      {canChoose && <QualityChoice {...props} />}
      <button
        type="button"
        class="button small"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        {laterText.details.open}
      </button>
      {open && <Measured {...props} id={id} />}
    </>
  );
}

function QualityChoice({ room, participant, source }: TileMenuProps) {
  const id = useId();
  const quality = qualityOf(participant.id, source);
  return (
    <div class="field">
      <label for={id}>{laterText.quality.label}</label>
      <select
        id={id}
        value={quality}
        onChange={(event) => setQuality(room, participant.id, source, event.currentTarget.value as TileQuality)}
      >
        {QUALITIES.map((choice) => (
          <option key={choice} value={choice} selected={choice === quality}>
            {laterText.quality.choices[choice]}
          </option>
        ))}
      </select>
    </div>
  );
}

interface Measurement {
  readonly picture: TrackStats | null;
  /** Of the microphone; a screen's sound is not told apart. */
  readonly sound: TrackStats | null;
}

function Measured({ id, room, participant, source }: TileMenuProps & { readonly id: string }) {
  const { isSelf } = participant;
  const measured = useMeasurement(room, participant.id, source);
  const rows = useRef<HTMLDivElement>(null);
  const isThere = measured !== null;
  // In a low window the menu scrolls.
  useEffect(() => rows.current?.scrollIntoView({ block: 'nearest' }), [isThere]);
  if (measured === null) return <p id={id}>{laterText.details.measuring}</p>;
  const { picture, sound } = measured;
  const first = picture ?? sound;
  if (first === null) return <p id={id}>{laterText.details.nothing}</p>;
  return (
    <div id={id} class="details" ref={rows}>
      <Rows heading={null} rows={wayRows(first)} />
      {picture !== null && <Rows heading={laterText.details.picture} rows={pictureRows(picture, isSelf)} />}
      {sound !== null && <Rows heading={laterText.details.sound} rows={soundRows(sound, isSelf)} />}
    </div>
  );
}

/** Measures once a second as long as somebody looks; null before the first result. */
function useMeasurement(room: TileMenuProps['room'], participant: string, source: PictureSource): Measurement | null {
  const [measured, setMeasured] = useState<Measurement | null>(null);
  useEffect(() => {
    let isWatched = true;
    const measure = async (): Promise<void> => {
      const [picture, sound] = await Promise.all([
        room.trackStats(participant, source),
        source === 'camera' ? room.trackStats(participant, 'microphone') : null,
      ]);
      if (isWatched) setMeasured({ picture, sound });
    };
    const timer = setInterval(() => void measure(), PERIOD_MS);
    void measure();
    return () => {
      isWatched = false;
      clearInterval(timer);
    };
  }, [room, participant, source]);
  return measured;
}

function Rows({ heading, rows }: { readonly heading: string | null; readonly rows: readonly StatsRow[] }) {
  return (
    <>
      {heading !== null && <p class="details-heading">{heading}</p>}
      <dl>
        {rows.map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

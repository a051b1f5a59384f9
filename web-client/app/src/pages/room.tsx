import { join, LocalMedia } from '@stoa/client';
import { useEffect, useState } from 'preact/hooks';
import { Call } from '../call/call';
import { Visit, type VisitDriver } from '../call/visit';
import { AfterCall } from './left';
import { PreJoin } from './pre-join';

const driver: VisitDriver = {
  createMedia: (wanted) => new LocalMedia(wanted),
  join,
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`,
};

/** Give it the room as `key`, so that another room is another visit. */
export function RoomPage({ room }: { readonly room: string }) {
  const [visit] = useState(() => new Visit(room, driver));
  useEffect(() => {
    visit.open();
    return () => visit.dispose();
  }, [visit]);

  const phase = visit.phase.value;
  switch (phase.kind) {
    case 'lobby':
      return (
        <PreJoin
          room={room}
          media={phase.media}
          joining={phase.joining}
          problem={phase.problem}
          onJoin={(name, withDevices) => void visit.join(name, withDevices)}
          onCancel={() => visit.cancel()}
        />
      );
    case 'call':
      return <Call room={phase.room} onLeave={() => visit.leave()} />;
    case 'ended':
      return <AfterCall room={room} problem={phase.problem} onAgain={() => visit.again()} />;
  }
}

import { join, LocalMedia } from '@stoa/client';
import { useEffect, useState } from 'preact/hooks';
import { Call } from '../call/call';
import { tabMemory } from '../call/returning';
import { Visit, type VisitDriver } from '../call/visit';
import { recallPass } from '../pass';
import { claimTab } from '../tab';
import { AfterCall } from './left';
import { PreJoin } from './pre-join';
import { Returning } from './returning';

const driver: VisitDriver = {
  createMedia: (wanted) => new LocalMedia(wanted),
  join,
  pass: recallPass,
  claim: claimTab,
  memory: tabMemory,
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`,
};

/** Give it the room as `key`, so that another room is another visit. */
export function RoomPage({ room }: { readonly room: string }) {
  const [visit] = useState(() => new Visit(room, driver));
  useEffect(() => {
    visit.open();
    addEventListener('pagehide', visit.remember);
    return () => {
      removeEventListener('pagehide', visit.remember);
      visit.dispose();
    };
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
    case 'returning':
      return <Returning room={room} onCancel={() => visit.cancel()} />;
    case 'call':
      return <Call room={phase.room} onLeave={() => visit.leave()} />;
    case 'ended':
      return <AfterCall room={room} problem={phase.problem} onAgain={() => visit.again()} />;
  }
}

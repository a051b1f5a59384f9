/** Speaks what happens in a room. */
import type { Room } from '@stoa/client';
import { useEffect } from 'preact/hooks';
import { announce } from '../announcer';
import { text } from '../text';
import { newsOf, type Heard } from './changes';
import { NewsGatherer, type News } from './news';

const departures = { left: 'left', lost: 'lost', removed: 'wasRemoved' } as const;

export function useAnnouncements(room: Room): void {
  useEffect(() => {
    const known = new Map<string, Heard>();
    const others = room.state.participants.filter((participant) => !participant.isSelf);
    for (const participant of room.state.participants) known.set(participant.id, participant);
    announce(
      text.call.entered(
        room.state.room,
        others.map((participant) => participant.name),
      ),
    );

    const gatherer = new NewsGatherer(announce);
    const tell = (...news: News[]): void => gatherer.add(news, room.state.participants.length);
    let reconnecting = false;
    const stops = [
      room.on('participantJoined', (participant) => {
        known.set(participant.id, participant);
        if (!participant.isSelf) tell({ kind: 'joined', name: participant.name });
      }),
      room.on('participantChanged', (participant) => {
        tell(...newsOf(known.get(participant.id), participant));
        known.set(participant.id, participant);
      }),
      room.on('participantLeft', (participant, reason) => {
        known.delete(participant.id);
        // A new session of one's own: the former one goes, oneself does not.
        if (participant.isSelf) return;
        tell({ kind: departures[reason], name: participant.name });
      }),
      room.on('lockChanged', (locked) => announce(locked ? text.call.nowLocked : text.call.nowUnlocked)),
      room.on('statusChanged', (status) => {
        if (status === 'reconnecting') announce(text.call.serverLost);
        if (status === 'connected' && reconnecting) announce(text.call.serverBack);
        reconnecting = status === 'reconnecting';
      }),
      () => gatherer.stop(),
    ];
    return () => stops.forEach((stop) => stop());
  }, [room]);
}

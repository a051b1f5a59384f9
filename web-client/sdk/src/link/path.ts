/**
 * The way media takes between two participants: directly, by way of a TURN relay, by way of the server's SFU, or of that
 * through a relay.
 */
export type LinkPath = 'unknown' | 'direct' | 'relayed' | 'server' | 'server-relayed';

interface PathStats {
  readonly id: string;
  readonly type: string;
  readonly selectedCandidatePairId?: string;
  readonly selected?: boolean;
  readonly nominated?: boolean;
  readonly state?: string;
  readonly localCandidateId?: string;
  readonly remoteCandidateId?: string;
  readonly candidateType?: string;
  readonly bytesReceived?: number;
  readonly responsesReceived?: number;
}

/** Reads the path off WebRTC statistics. Relayed: at least one side uses a TURN relay. */
export function pathFromStats(stats: Iterable<object>): LinkPath {
  const byId = new Map<string, PathStats>();
  for (const entry of stats) {
    const known = entry as PathStats;
    byId.set(known.id, known);
  }
  const pair = selectedPair(byId);
  const local = byId.get(pair?.localCandidateId ?? '');
  const remote = byId.get(pair?.remoteCandidateId ?? '');
  if (local?.candidateType === undefined || remote?.candidateType === undefined) {
    return 'unknown';
  }
  return local.candidateType === 'relay' || remote.candidateType === 'relay' ? 'relayed' : 'direct';
}

/** All bytes that came in. Firefox counts them on the candidate pairs only. */
export function inboundBytes(stats: Iterable<object>): number {
  let ofTransports = 0;
  let ofPairs = 0;
  for (const entry of stats) {
    const { type, bytesReceived = 0 } = entry as PathStats;
    ofTransports += type === 'transport' ? bytesReceived : 0;
    ofPairs += type === 'candidate-pair' ? bytesReceived : 0;
  }
  return Math.max(ofTransports, ofPairs);
}

/** Grows with everything that comes in: bytes, and the answers to ICE's checks, which browsers do not count as bytes. */
export function activity(stats: readonly object[]): number {
  const answers = stats.reduce((sum, entry) => sum + ((entry as PathStats).responsesReceived ?? 0), 0);
  return inboundBytes(stats) + answers;
}

function selectedPair(byId: ReadonlyMap<string, PathStats>): PathStats | undefined {
  const all = [...byId.values()];
  const transport = all.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId !== undefined);
  if (transport !== undefined) {
    return byId.get(transport.selectedCandidatePairId ?? '');
  }
  // Firefox marks the pair itself.
  const pairs = all.filter((entry) => entry.type === 'candidate-pair');
  return (
    pairs.find((pair) => pair.selected === true) ??
    pairs.find((pair) => pair.nominated === true && pair.state === 'succeeded')
  );
}

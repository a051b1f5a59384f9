import type { ConnectionState } from './health';

/** The state of ICE may be ahead of the whole, and is `checking` for a while after a restart. Null: closed. */
export function stateOf({ connectionState, iceConnectionState }: RTCPeerConnection): ConnectionState | null {
  if (connectionState === 'closed' || iceConnectionState === 'closed') {
    return null;
  }
  if (connectionState !== 'connected') {
    return connectionState;
  }
  if (iceConnectionState === 'disconnected' || iceConnectionState === 'failed') {
    return iceConnectionState;
  }
  return iceConnectionState === 'checking' || iceConnectionState === 'new' ? 'connecting' : 'connected';
}

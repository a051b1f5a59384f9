export type { RoomChannel } from './channel';
export type { Chat, ChatSnapshot } from './chat';
export { DocSocket } from './documents/doc-socket';
export type { DocSocketFailure, DocSocketOptions } from './documents/doc-socket';
export type { DocumentsPort } from './documents/port';
export { DeviceError, StoaError } from './errors';
export type { DeviceErrorCode, DeviceKind, StoaErrorCode } from './errors';
export type { LinkPath } from './link/path';
export type { DeviceChoice, LocalDeviceState } from './media/device-intent';
export { LocalMedia } from './media/local-media';
export type { LocalMediaOptions, LocalMediaState } from './media/local-media';
export { join } from './join';
export type { JoinOptions } from './join';
export { Room } from './room';
export type { Invitation, RoomEvents, RoomSnapshot, RoomStatus } from './room';
export type { Limitation, TrackStats, TrackStatsSource } from './stats';
export type { PictureSource, Tile, TileQuality } from './tiles';
export type { LinkStatus, ParticipantId, ParticipantView } from './roster';
export type {
  ChatEntry,
  DocumentsGrant,
  Grants,
  LeaveReason,
  MediaState,
  ParticipantRights,
  Source,
  TopologyMode,
} from './signal/wire';

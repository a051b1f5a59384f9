/** The words of the parts that are loaded later, as in `text.ts`. */
import { momentWords, type Named } from './text';

const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });

/** The time, with the day unless it is today. */
function chatMoment(date: Date): string {
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** Why the socket of a document was closed for good. */
const documentFailures: Readonly<Record<number, string>> = {
  4401: 'This document needs an access link: open it with the complete link that you were given.',
  4403: 'You may not read this document.',
  4404: 'The server does not accept the name of this document.',
};

export const laterText = {
  quality: {
    label: 'Picture quality',
    choices: { auto: 'Fits the tile', low: 'Always low', medium: 'Always medium', high: 'Always high' },
  },

  details: {
    open: 'Connection details',
    measuring: 'Measuring…',
    nothing: 'There is nothing to measure at the moment.',
    way: 'Way',
    roundTrip: 'There and back',
    picture: 'Picture',
    sound: 'Sound',
    size: 'Size',
    framesPerSecond: 'Pictures per second',
    codec: 'Format',
    received: 'Received',
    sent: 'Sent',
    lost: 'Lost on the way',
    delay: 'Held back for smoothness',
    layer: 'Version',
    layerWords: (layer: number) => ['small', 'medium', 'full'][layer] ?? `number ${layer + 1}`,
    limitedBy: 'Held down by',
    limitation: {
      none: 'nothing',
      bandwidth: 'the connection',
      cpu: 'the computer',
      size: 'its size on the page',
      other: 'something else',
    },
  },

  people: {
    find: 'Find a person',
    found: (count: number) => (count === 0 ? 'Nobody has that name.' : `${count} found`),
    more: (name: string) => `More about ${name}`,
    moderator: 'Moderator',
    // Where the name stands in the words of a button. On the button itself it is heard but not seen: it stands above.
    silence: (name: string): Named => ['Silence ', name, ''],
    stopCamera: (name: string): Named => ['Stop ', `${name}'s`, ' camera'],
    stopScreen: (name: string): Named => ['Stop ', `${name}'s`, ' screen'],
    remove: (name: string): Named => ['Remove ', name, ''],
    silenced: (name: string) => `${name}'s microphone was switched off.`,
    cameraStopped: (name: string) => `${name}'s camera was switched off.`,
    screenStopped: (name: string) => `${name}'s screen is not shared any more.`,
    confirmRemove: (name: string) => `Remove ${name} from the room?`,
    confirmRemoveBody: 'They are sent out at once. To keep them from coming back by the link, lock the room too.',
    confirm: 'Yes, remove',
    cancel: 'Cancel',
    lock: 'Lock room',
    unlock: 'Unlock room',
    isLocked: 'Newcomers need an invitation.',
    isOpen: 'Whoever has the link can enter.',
    invite: 'Create invitation',
  },

  invitation: {
    heading: 'Create invitation',
    body: 'Whoever opens the link can enter this room, even while it is locked, until the invitation expires.',
    expiry: 'Expires after',
    choices: { hour: '1 hour', day: '1 day', week: '7 days' },
    create: 'Create and copy',
    creating: 'Creating…',
    link: 'Invitation link',
    copy: 'Copy invitation',
    copied: 'Invitation copied.',
    notCopied: 'It could not be copied by itself: select the link and copy it.',
    until: (moment: string) => `It works until ${moment}.`,
    close: 'Close',
  },

  chat: {
    lines: 'Messages',
    earlier: 'Earlier messages',
    notLoaded: 'Earlier messages could not be loaded.',
    none: 'Nobody has written anything yet.',
    message: 'Message',
    hint: 'Enter sends, Shift and Enter begin a new line.',
    send: 'Send',
    sending: 'Sending…',
    isOff: 'A moderator switched the chat off.',
    mayWrite: 'People may write here',
    unavailable: 'The server cannot keep messages at the moment. Try again in a minute.',
    forbidden: 'You may not write in this room.',
    notSent: 'That could not be sent. Try again.',
    moment: chatMoment,
  },

  document: {
    title: (doc: string) => `${doc} · Stoa`,
    nobody: 'Somebody',
    here: 'Who is here',
    openRoom: 'Open the room',
    failed: (code: number): string => documentFailures[code] ?? 'The server does not serve this document.',
  },

  history: {
    heading: 'History of the note',
    close: 'Close',
    loading: 'Loading…',
    none: 'There are no versions yet.',
    chooseOne: 'Choose a version to see what the note was then.',
    name: 'Name (may be left out)',
    save: 'Save this version',
    saved: 'The version was saved.',
    earlier: 'Earlier versions',
    moment: momentWords,
    automatic: 'automatic',
    by: (name: string) => `by ${name}`,
    show: 'Show',
    shows: { changes: 'Changes since then', text: 'The text then' },
    legend: 'Underlined: written since then. Struck through: deleted since then.',
    change: { inserted: '[written]', deleted: '[deleted]' },
    same: 'Nothing has changed since then.',
    empty: 'The note was empty.',
    restore: 'Restore',
    beforeRestoring: 'Before restoring',
    restored: 'The note is as it was then. You can undo this.',
    rename: 'Rename',
    newName: 'New name of the version',
    renamed: 'The version was renamed.',
    remove: 'Delete',
    confirmRemove: 'Yes, delete',
    removed: 'The version was deleted.',
    cancel: 'Cancel',
    exportUpdate: 'Download as Yjs update',
    problem: {
      unreachable: 'The server does not answer. Try again.',
      forbidden: 'You may not do that with this note.',
      gone: 'There is no such version any more, or nothing was ever written here.',
      slowDown: 'That was too much at once. Wait a moment, then try again.',
      tooMany: 'There are too many versions: delete one first.',
      full: "The server's disk is full or does not answer: it keeps no new versions at the moment.",
      other: 'That did not work. Try again.',
    },
  },
};

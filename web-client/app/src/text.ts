/** Every word that the app says, in English. Functions take care of plurals and of names inside sentences. */
import type { DeviceErrorCode, StoaErrorCode } from '@stoa/client';
import type { RoomNameProblem } from './room-name';

export type DeviceKind = 'microphone' | 'camera';

const list = new Intl.ListFormat('en', { type: 'conjunction' });

const moment = new Intl.DateTimeFormat('en', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});

/** Such as "Friday, November 20 at 14:05", in the time of the reader's place. */
export const momentWords = (date: Date): string => moment.format(date);

const deviceNames = (kinds: readonly DeviceKind[]): string =>
  kinds.length > 1 ? 'camera and microphone' : (kinds[0] ?? 'camera');

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });

/** The time, with the day unless it is today. */
function chatMoment(date: Date): string {
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** What went wrong, why, and what mends it. */
export interface Problem {
  readonly title: string;
  readonly why: string;
  readonly fix: string;
}

/** Words before a name, the name, and words after it. */
export type Named = readonly [before: string, name: string, after: string];

const roomNameProblems: Record<RoomNameProblem, (found: string) => string> = {
  empty: () => 'Enter the name of a room or paste its link.',
  too_long: (found) => `That name has ${found} characters. Room names have at most 64.`,
  bad_characters: (found) =>
    `Room names have only letters a to z, digits, full stops, hyphens and underscores. Please take out: ${found}`,
  only_dots: () => 'A room name needs more than full stops.',
  other_server: (found) =>
    `That link leads to another server, ${found}. Open it in your browser's address bar instead.`,
  not_a_room_link: () => 'That link does not lead to a room. Room links look like this: /r/amber-otter-4821',
};

const deviceProblems: Record<DeviceErrorCode, (kinds: readonly DeviceKind[]) => Problem> = {
  denied_by_user: (kinds) => ({
    title: `${capital(deviceNames(kinds))} not allowed`,
    why: `This browser was told not to let this site use your ${deviceNames(kinds)}.`,
    fix: 'Select the icon to the left of the address, allow access there, then try again.',
  }),
  denied_by_system: (kinds) => ({
    title: `${capital(deviceNames(kinds))} blocked by your system`,
    why: `You allowed it here, but your operating system does not let the browser use your ${deviceNames(kinds)}.`,
    fix: `Open your system's privacy settings, allow the browser to use the ${deviceNames(kinds)}, then try again.`,
  }),
  blocked_by_policy: (kinds) => ({
    title: `${capital(deviceNames(kinds))} blocked by a policy`,
    why: `This page is embedded in another one, or your organisation's rules forbid the ${deviceNames(kinds)}.`,
    fix: "Open the room's link in a tab of its own, or ask whoever manages this computer.",
  }),
  insecure: (kinds) => ({
    title: 'This page is not secure',
    why: `Browsers give the ${deviceNames(kinds)} only to secure pages, and this one was opened without encryption.`,
    fix: 'Open the address with https:// in front. On the computer that runs Stoa, http://localhost works too.',
  }),
  not_found: (kinds) => ({
    title: `No ${deviceNames(kinds)} found`,
    why: `This computer shows the browser no ${deviceNames(kinds)}.`,
    fix: 'Plug it in or switch it on (some laptops have a slider or a key for it), then try again.',
  }),
  in_use: (kinds) => ({
    title: `${capital(deviceNames(kinds))} in use`,
    why: `Another program, or another tab, is using your ${deviceNames(kinds)}.`,
    fix: 'Close other video calls and recording programs, then try again.',
  }),
  over_constrained: (kinds) => ({
    title: `${capital(deviceNames(kinds))} does not fit`,
    why: `The chosen ${deviceNames(kinds)} is gone or cannot do what the call needs.`,
    fix: 'Choose another one from the list, then try again.',
  }),
  ended: (kinds) => ({
    title: `${capital(deviceNames(kinds))} stopped`,
    why: `Your ${deviceNames(kinds)} was unplugged or switched off.`,
    fix: 'Plug it in again: it comes back by itself. If it does not, try again.',
  }),
  unknown: (kinds) => ({
    title: `${capital(deviceNames(kinds))} not working`,
    why: `The browser could not start your ${deviceNames(kinds)} and did not say why.`,
    fix: 'Try again. If that does not help, plug the device in again or restart the browser.',
  }),
};

/** `seconds` is how long the server wants one to wait; null: it did not say. */
function tooManyTries(seconds: number | null): Problem {
  const wait = seconds === null ? 'Wait a minute' : `Wait ${seconds === 1 ? 'a second' : `${seconds} seconds`}`;
  return {
    title: 'Too many tries',
    why: 'There were too many tries from your address in a short time.',
    fix: `${wait}, then try again.`,
  };
}

/** An access link that was good once. */
const accessExpired: Problem = {
  title: 'Your access has expired',
  why: 'The server does not accept your access link: it is too old, or incomplete.',
  fix: 'Ask for a new link to this room.',
};

const roomProblems: Record<StoaErrorCode, Problem> = {
  bad_room: {
    title: 'This room name does not work',
    why: 'The server does not accept the name of this room.',
    fix: 'Go back to the start and choose another name.',
  },
  bad_name: {
    title: 'Your name does not work',
    why: 'The server does not accept this name.',
    fix: 'Choose a shorter name without special characters.',
  },
  room_full: {
    title: 'This room is full: it holds 2 people for now.',
    why: 'Everybody that fits is already there.',
    fix: 'Try again when somebody has left, or start another room.',
  },
  server_full: {
    title: 'The server is full',
    why: 'This server has as many rooms and people as it can hold.',
    fix: 'Try again in a few minutes.',
  },
  rate_limited: tooManyTries(null),
  protocol: {
    title: 'This page and the server do not understand each other',
    why: 'One of them is probably older than the other.',
    fix: 'Reload the page to get the version that fits the server.',
  },
  replaced: {
    title: 'You are in this room somewhere else',
    why: 'Your place in the call was taken over by another tab or window of yours.',
    fix: 'Go on there, or join again here.',
  },
  authenticate: {
    title: 'This room needs an access link',
    why: 'The server lets in only people who can prove that they may enter, and your link proves nothing.',
    fix: 'Open the room with the complete link that you were given.',
  },
  forbidden: {
    title: 'You may not enter this room',
    why: 'Your access link is good, but for another room.',
    fix: 'Check that you opened the link that belongs to this room.',
  },
  room_locked: {
    title: 'This room is locked. Ask for an invitation.',
    why: 'A moderator closed the room to newcomers.',
    fix: 'Somebody inside can send you an invitation link, or unlock the room.',
  },
  bad_invite: {
    title: 'This invitation is not good any more',
    why: 'It has expired, or its link is incomplete.',
    fix: 'Ask for a new invitation, and open the whole link.',
  },
  removed: {
    title: 'You were removed from this room by a moderator.',
    why: 'Your camera and microphone are off.',
    fix: 'If you think that this was a mistake, ask whoever invited you.',
  },
  chat_disabled: {
    title: 'The chat is switched off',
    why: 'A moderator switched it off.',
    fix: 'Ask a moderator to switch it on again.',
  },
  unavailable: {
    title: 'The server cannot keep that at the moment',
    why: 'It could not be written to the disk of the server.',
    fix: 'Try again in a minute. If it does not help, tell whoever runs the server.',
  },
  unreachable: {
    title: 'The server does not answer',
    why: 'The page could not connect to the server.',
    fix: 'Check your internet connection, then try again.',
  },
  aborted: {
    title: 'Joining was cancelled',
    why: 'You stopped before the room was open.',
    fix: 'Try again whenever you like.',
  },
  closed: {
    title: 'The call ended',
    why: 'The connection to the server was closed.',
    fix: 'Join again to go on.',
  },
  unsupported_browser: {
    title: 'This browser cannot make calls',
    why: 'It lacks the technique for calls (WebRTC), or it is switched off.',
    fix: 'Use a current version of Firefox, Chrome, Edge or Safari.',
  },
};

/** Why the socket of a document was closed for good. */
const documentFailures: Readonly<Record<number, string>> = {
  4401: 'This document needs an access link: open it with the complete link that you were given.',
  4403: 'You may not read this document.',
  4404: 'The server does not accept the name of this document.',
};

export const text = {
  product: 'Stoa',

  theme: {
    label: 'Colours',
    system: 'System colours',
    light: 'Light colours',
    dark: 'Dark colours',
  },

  landing: {
    title: 'Stoa: calls and live notes',
    heading: 'Meet and write together, on your own server',
    lead: 'Stoa is a place for calls with a shared live note. It runs on a server of your own, in one small program.',
    start: 'Start a meeting',
    roomLabel: 'Room name or link',
    roomHint: 'For example amber-otter-4821',
    enter: 'Enter room',
    problem: roomNameProblems,
    points: [
      {
        title: 'Call',
        body: 'Picture and sound are encrypted and go directly between browsers wherever possible. No account, nothing to install.',
      },
      {
        title: 'Live note',
        body: 'Write minutes together while you talk. The note is saved on your server, and you can go on offline.',
      },
      {
        title: 'Your server',
        body: 'One program on a machine you choose. No tracking, and no other company in between.',
      },
    ],
  },

  nothing: {
    title: 'Nothing here · Stoa',
    heading: 'Nothing here',
    body: 'This address leads nowhere. Perhaps the link is incomplete.',
    bad: {
      room: 'This address holds no proper room name. Room names have 1 to 64 letters a to z, digits, full stops, hyphens and underscores.',
      document:
        'This address holds no proper name of a document. Such names have 1 to 256 bytes and no control characters.',
    },
  },

  backToStart: 'Back to start',
  tryAgain: 'Try again',

  lobby: {
    title: (room: string) => `Join ${room} · Stoa`,
    heading: 'Ready to join?',
    room: (room: string) => `Room ${room}`,
    preview: 'Your camera',
    cameraOff: 'Your camera is off',
    cameraStarting: 'Starting your camera…',
    cameraMissing: 'No picture from your camera',
    name: 'Your name',
    nameHint: 'The others in the room see it.',
    nameMissing: 'Enter your name, so that the others know who you are.',
    join: 'Join',
    joining: 'Joining…',
    cancel: 'Cancel',
    withoutDevices: 'Continue without camera or microphone',
  },

  returning: {
    title: (room: string) => `Returning to ${room} · Stoa`,
    heading: 'Returning to the call…',
    body: 'Microphone and camera will be as you left them.',
    cancel: 'Cancel',
  },

  devices: {
    open: 'Devices',
    heading: 'Devices',
    microphone: 'Microphone',
    camera: 'Camera',
    speaker: 'Speaker',
    systemSpeaker: 'System default',
    level: 'Microphone level',
    levelText: (percent: number) => (percent < 4 ? 'silent' : `${percent} %`),
    unnamed: (kind: string, number: number) => `${kind} ${number}`,
    none: (kind: string) => `No ${kind.toLowerCase()} found`,
    choose: (kind: string) => `Choose a ${kind.toLowerCase()}`,
    notAllowedYet: 'Shown once it is allowed and on',
    close: 'Close',
    problem: deviceProblems,
  },

  call: {
    title: (room: string) => `${room} · Stoa`,
    controls: 'Call controls',
    people: (count: number) => (count === 1 ? 'Only you' : `${count} people`),
    you: (name: string) => `${name} (you)`,
    mute: 'Mute microphone',
    unmute: 'Unmute microphone',
    cameraOff: 'Turn camera off',
    cameraOn: 'Turn camera on',
    microphoneShort: 'Microphone',
    cameraShort: 'Camera',
    leave: 'Leave',
    microphoneIsOff: 'Microphone off',
    cameraIsOff: 'Camera off',
    clickToHear: 'Click to hear',
    connecting: 'Connecting…',
    interrupted: 'Connection interrupted, repairing…',
    linkFailed: 'No connection, trying again…',
    theyReconnect: 'Reconnecting…',
    serverLost: 'Connection to the server lost. The call goes on; reconnecting…',
    serverBack: 'Connected to the server again.',
    aloneHeading: 'Nobody else is here yet',
    aloneBody: 'Send this link to whoever you want to meet.',
    copyLink: 'Copy link',
    copied: 'Link copied',
    copyFailed: 'The link could not be copied. It is in the address bar.',
    deviceTrouble: (titles: readonly string[]) => `${titles.join('. ')}. “Devices” tells what helps.`,
    joined: (name: string) => `${name} joined.`,
    left: (name: string) => `${name} left.`,
    wasRemoved: (name: string) => `${name} was removed by a moderator.`,
    lost: (name: string) => `${name} lost the connection and is gone.`,
    entered: (room: string, others: readonly string[]) =>
      others.length === 0
        ? `You are in room ${room}. Nobody else is here yet.`
        : `You are in room ${room} with ${list.format(others)}.`,
    linkUp: (name: string) => `Connected with ${name}.`,
    linkInterrupted: (name: string) => `Connection with ${name} interrupted, repairing.`,
    linkLost: (name: string) => `No connection with ${name}, trying again.`,
    signalLost: (name: string) => `${name} is reconnecting.`,
    renamed: (before: string, after: string) => `${before} is now ${after}.`,
    moderates: (name: string) => `${name} is a moderator now.`,
    youModerate: 'You are a moderator now.',
    microphoneOn: 'Microphone on',
    cameraIsOn: 'Camera on',
    locked: 'Locked',
    nowLocked: 'The room is locked: newcomers need an invitation.',
    nowUnlocked: 'The room is open: whoever has the link can enter.',
    switchedOff: (by: string | null, what: string) =>
      `${by ?? 'A moderator'} switched off your ${what}. You can switch it on again.`,
    source: { microphone: 'microphone', camera: 'camera', screen: 'screen' },
    mayNotSend: (what: readonly string[]) =>
      `You take part as a listener: in this room you may not send ${what.join(' or ')}.`,
    sound: 'sound',
    picture: 'a picture',
    dismiss: 'Dismiss',
    talkingMuted: 'You are muted. Press M to speak.',
    talkingMutedNoKeys: 'You are muted. The others cannot hear you.',
    direct: 'Direct',
    relayed: 'Relayed',
    linked: 'Connected',
    pathHint: {
      direct: 'Picture and sound go straight from browser to browser.',
      relayed: 'Picture and sound go through the server, still encrypted.',
      unknown: 'Which way picture and sound take is being found out.',
    },
    volume: (name: string) => `Volume of ${name}`,
    volumeText: (percent: number) => (percent === 0 ? 'silenced for you alone' : `${percent} %`),
    options: (name: string) => `Options for ${name}`,
  },

  people: {
    open: 'People',
    close: 'Close list',
    moderator: 'Moderator',
    // Where the name stands in the words of a button. On the button itself it is heard but not seen: it stands above.
    silence: (name: string): Named => ['Silence ', name, ''],
    stopCamera: (name: string): Named => ['Stop ', `${name}'s`, ' camera'],
    remove: (name: string): Named => ['Remove ', name, ''],
    silenced: (name: string) => `${name}'s microphone was switched off.`,
    cameraStopped: (name: string) => `${name}'s camera was switched off.`,
    confirmRemove: (name: string) => `Remove ${name} from the room?`,
    confirmRemoveBody: 'They are sent out at once. To keep them from coming back by the link, lock the room too.',
    confirm: 'Yes, remove',
    cancel: 'Cancel',
    lock: 'Lock room',
    unlock: 'Unlock room',
    isLocked: 'Newcomers need an invitation.',
    isOpen: 'Whoever has the link can enter.',
    invite: 'Create invitation',
    failed: 'That did not work. Try again.',
    forbidden: 'That was refused: you are not a moderator any more.',
    slowDown: 'That was too much at once. Wait a moment, then try again.',
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

  shortcuts: {
    open: 'Keyboard shortcuts',
    heading: 'Keyboard shortcuts',
    body: 'They work while you are not typing.',
    enabled: 'Use keyboard shortcuts',
    space: 'Space',
    escape: 'Esc',
    close: 'Close',
    does: {
      microphone: 'Switch the microphone off or on',
      talk: 'Hold to speak while you are muted',
      camera: 'Switch the camera off or on',
      note: 'Show or hide the note',
      people: 'Show or hide the list of people',
      chat: 'Show or hide the chat',
      copy: 'Copy the link to this room',
      help: 'Show this list',
      close: 'Close the list of people, or whatever is on top',
    },
  },

  left: {
    title: 'You left · Stoa',
    heading: 'You left the room',
    body: (room: string) => `Camera and microphone are off. You can come back to ${room} at any time.`,
    again: 'Join again',
    failedTitle: 'Call ended · Stoa',
  },

  problem: roomProblems,
  tooManyTries,
  accessExpired,

  note: {
    open: 'Note',
    heading: 'Shared note',
    label: 'Note',
    placeholder:
      'Write here. Everybody in the room sees it at once.\n\nMarkdown works:\n# Heading\n**bold**, *italics*\n- list',
    loading: 'Opening the note…',
    loadFailed: 'The editor could not be loaded.',
    download: 'Download .md',
    close: 'Close note',
    ownTab: 'Open note in its own tab',
    access: {
      none: 'You may not read this note.',
      read: 'You can read this note, but not change it.',
    },
    aside: {
      body: (moment: string) =>
        `This note was erased on the server and begun anew. What this browser had was put aside on ${moment}.`,
      download: 'Download old note',
      forget: 'Discard old note',
    },
    saved: {
      connecting: 'Connecting…',
      saved: 'Saved',
      saving: 'Saving…',
      notSaved: 'Not saved',
      savingHere: 'Saving on this device…',
      onlyHere: 'Only on this device',
      noServer: 'The server is not reached.',
      staysTillThen: 'What you write now stays on this device until it is.',
      staysHere: 'What you write stays on this device.',
      noStorage: 'This browser refuses storage.',
      downloadIt: 'Download the note before you go.',
      alsoWith: (names: readonly string[]) => `Also with ${list.format(names)}.`,
      onlyWith: (names: readonly string[]) => `Only ${list.format(names)} can keep it.`,
      readOnly: 'Read only',
      ownChangesStay: 'What you wrote before is on this device only.',
      diskFull: "The server's disk is full or does not work",
      nothingThere: 'Nothing can be saved there at the moment.',
    },
    refused: {
      update: {
        2: 'This is too large for the server: take something out.',
        4: 'The server waits for earlier changes of others.',
        5: 'The space for notes on the server is used up.',
      } as Readonly<Partial<Record<number, string>>>,
      document: {
        2: 'You may not read this note.',
        3: 'Too many people have this note open. Trying again…',
      } as Readonly<Partial<Record<number, string>>>,
      other: 'The server does not take this note.',
    },
  },

  chat: {
    open: 'Chat',
    close: 'Close chat',
    unread: (count: number) => (count === 1 ? '1 new message' : `${count} new messages`),
    lines: 'Messages',
    earlier: 'Earlier messages',
    notLoaded: 'Earlier messages could not be loaded.',
    none: 'Nobody has written anything yet.',
    message: 'Message',
    hint: 'Enter sends, Shift and Enter begin a new line.',
    send: 'Send',
    sending: 'Sending…',
    loading: 'Opening the chat…',
    loadFailed: 'The chat could not be loaded.',
    isOff: 'A moderator switched the chat off.',
    mayWrite: 'People may write here',
    unavailable: 'The server cannot keep messages at the moment. Try again in a minute.',
    forbidden: 'You may not write in this room.',
    notSent: 'That could not be sent. Try again.',
    came: (name: string, words: string) => `${name} wrote: ${words.length > 200 ? `${words.slice(0, 200)}…` : words}`,
    moment: chatMoment,
  },

  document: {
    title: (doc: string) => `${doc} · Stoa`,
    loading: 'Opening the document…',
    loadFailed: 'The document page could not be loaded.',
    nobody: 'Somebody',
    here: 'Who is here',
    openRoom: 'Open the room',
    failed: (code: number): string => documentFailures[code] ?? 'The server does not serve this document.',
  },

  history: {
    open: 'History',
    heading: 'History of the note',
    close: 'Close',
    loadFailed: 'The history could not be loaded.',
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

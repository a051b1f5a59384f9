/**
 * Every word that the app says, in English; those of parts that are loaded later are in `later-text.ts`. Functions take
 * care of plurals and of names inside sentences.
 */
import type { DeviceErrorCode, StoaErrorCode } from '@stoa/client';
import type { RoomNameProblem } from './room-name';

export type DeviceKind = 'microphone' | 'camera';

const list = new Intl.ListFormat('en', { type: 'conjunction' });

/** More names than this are not said one by one. */
const SAID_NAMES = 3;

/** Such as "Ada, Bob, and 4 others". */
function people(names: readonly string[]): string {
  if (names.length <= SAID_NAMES) return list.format(names);
  const said = names.slice(0, SAID_NAMES - 1);
  return list.format([...said, `${names.length - said.length} others`]);
}

const are = (names: readonly string[]): string => (names.length === 1 ? 'is' : 'are');

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

/** Access links that the server does not accept. */
const badAccess: Record<'ended' | 'other', Problem> = {
  ended: {
    title: 'Your access has expired',
    why: 'Your access link was good for a certain time, which is over.',
    fix: 'Ask for a new link to this room.',
  },
  other: {
    title: 'Your access link is not good',
    why: 'The server does not accept it: it is incomplete, was changed, or belongs to another server.',
    fix: 'Open the complete link that you were given, or ask for a new one.',
  },
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
    title: 'This room is full',
    why: 'As many people are in it as the server allows in one room.',
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
  screen_denied: {
    title: 'Your screen is not shared',
    why: 'Nothing was chosen, or the browser may not see the screen.',
    fix: "If it does not ask, allow the browser to record the screen in your system's privacy settings.",
  },
  screen_unsupported: {
    title: 'This browser cannot share a screen',
    why: 'It lacks the technique for it.',
    fix: 'Use a current browser on a computer.',
  },
  screen_failed: {
    title: 'Your screen could not be shared',
    why: 'The browser could not record what you chose.',
    fix: 'Try again, or choose another window.',
  },
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
        body: 'Picture and sound are encrypted. A few people talk from browser to browser, more through your server. No account, nothing to install.',
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
    joined: (names: readonly string[]) => `${people(names)} joined.`,
    left: (names: readonly string[]) => `${people(names)} left.`,
    wasRemoved: (names: readonly string[]) =>
      `${people(names)} ${names.length === 1 ? 'was' : 'were'} removed by a moderator.`,
    lost: (names: readonly string[]) => `${people(names)} lost the connection and ${are(names)} gone.`,
    entered: (room: string, others: readonly string[]) =>
      others.length === 0
        ? `You are in room ${room}. Nobody else is here yet.`
        : `You are in room ${room} with ${people(others)}.`,
    linkUp: (names: readonly string[]) => `Connected with ${people(names)}.`,
    linkInterrupted: (names: readonly string[]) => `Connection with ${people(names)} interrupted, repairing.`,
    linkLost: (names: readonly string[]) => `No connection with ${people(names)}, trying again.`,
    signalLost: (names: readonly string[]) => `${people(names)} ${are(names)} reconnecting.`,
    renamed: (before: string, after: string) => `${before} is now ${after}.`,
    moderates: (names: readonly string[]) =>
      `${people(names)} ${names.length === 1 ? 'is a moderator' : 'are moderators'} now.`,
    shares: (names: readonly string[]) =>
      names.length === 1 ? `${people(names)} shares a screen.` : `${people(names)} share their screens.`,
    sharesNoMore: (names: readonly string[]) => `${people(names)} stopped sharing.`,
    youModerate: 'You are a moderator now.',
    microphoneOn: 'Microphone on',
    cameraIsOn: 'Camera on',
    locked: 'Locked',
    nowLocked: 'The room is locked: newcomers need an invitation.',
    nowUnlocked: 'The room is open: whoever has the link can enter.',
    switchedOff: (by: string | null, what: 'microphone' | 'camera' | 'screen') =>
      what === 'screen'
        ? `${by ?? 'A moderator'} stopped the sharing of your screen. You can share it again.`
        : `${by ?? 'A moderator'} switched off your ${what}. You can switch it on again.`,
    mayNotSend: (what: readonly string[]) =>
      `You take part as a listener: in this room you may not send ${what.join(' or ')}.`,
    mayNotReceive: 'In this room you may not see or hear the others.',
    mayNotSpeak: 'Microphone: in this room you may not send sound',
    mayNotBeSeen: 'Camera: in this room you may not send a picture',
    notYet: (what: readonly string[]) => `The others get ${what.join(' and ')} from you only when it is back.`,
    sound: 'sound',
    picture: 'a picture',
    dismiss: 'Dismiss',
    talkingMuted: 'You are muted. Press M to speak.',
    talkingMutedNoKeys: 'You are muted. The others cannot hear you.',
    path: {
      direct: 'Direct',
      relayed: 'Relayed',
      server: 'Through the server',
      'server-relayed': 'Through the server, relayed',
      unknown: 'Connected',
    },
    pathHint: {
      direct: 'Picture and sound go straight from browser to browser.',
      relayed: 'Picture and sound go through the server, still encrypted.',
      server: 'Picture and sound go to the server, which passes them on to everybody. Both ways are encrypted.',
      'server-relayed': 'Picture and sound go to the server through a relay, and from there to everybody, encrypted.',
      unknown: 'Which way picture and sound take is being found out.',
    },
    speaking: 'Speaking',
    pinned: 'Pinned',
    pin: (name: string): Named => ['Pin ', name, ''],
    unpin: (name: string): Named => ['Unpin ', name, ''],
    more: (count: number) => `+${count} more: show them`,
    pages: 'Pages of people',
    page: (page: number, pages: number) => `Page ${page} of ${pages}`,
    pageBefore: 'Previous page',
    pageAfter: 'Next page',
    volume: (name: string) => `Volume of ${name}`,
    volumeText: (percent: number) => (percent === 0 ? 'silenced for you alone' : `${percent} %`),
    options: (name: string) => `Options for ${name}`,
  },

  screen: {
    share: 'Share screen',
    stop: 'Stop sharing',
    short: 'Screen',
    of: (name: string) => `${name}'s screen`,
    waiting: 'The screen is on its way…',
    isShared: 'Everybody in the room sees your screen.',
    isSharedNoMore: 'Your screen is not shared any more.',
  },

  people: {
    open: 'People',
    close: 'Close list',
    loading: 'Opening the list…',
    loadFailed: 'The list could not be loaded.',
    failed: 'That did not work. Try again.',
    forbidden: 'That was refused: you are not a moderator any more.',
    slowDown: 'That was too much at once. Wait a moment, then try again.',
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
      screen: 'Share your screen, or stop',
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
  badAccess,

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
    loading: 'Opening the chat…',
    loadFailed: 'The chat could not be loaded.',
    came: (name: string, words: string) => `${name} wrote: ${words.length > 200 ? `${words.slice(0, 200)}…` : words}`,
  },

  document: {
    loading: 'Opening the document…',
    loadFailed: 'The document page could not be loaded.',
  },

  history: {
    open: 'History',
    loadFailed: 'The history could not be loaded.',
  },
};

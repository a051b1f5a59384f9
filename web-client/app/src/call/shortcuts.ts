/** Which key does what during a call, and when it is left to what has the focus. */

export type ShortcutAction =
  'microphone' | 'talk' | 'camera' | 'screen' | 'note' | 'people' | 'chat' | 'copy' | 'help' | 'close';

/** In the order of the help sheet. */
export const SHORTCUTS: readonly { readonly key: string; readonly action: ShortcutAction }[] = [
  { key: 'm', action: 'microphone' },
  { key: ' ', action: 'talk' },
  { key: 'v', action: 'camera' },
  { key: 's', action: 'screen' },
  { key: 'n', action: 'note' },
  { key: 'p', action: 'people' },
  { key: 't', action: 'chat' },
  { key: 'c', action: 'copy' },
  { key: '?', action: 'help' },
  { key: 'Escape', action: 'close' },
];

/** What has the focus: a place to type, something else that reacts to keys, or nothing of the kind. */
export type Focus = 'text' | 'control' | 'nothing';

export type KeyPress = Pick<
  KeyboardEvent,
  'key' | 'code' | 'repeat' | 'ctrlKey' | 'altKey' | 'metaKey' | 'isComposing' | 'defaultPrevented'
>;

/** `enabled`: single letters can be switched off, because speech input and trembling hands press them unawares. */
export function shortcutOf(press: KeyPress, focus: Focus, enabled: boolean): ShortcutAction | null {
  if (press.ctrlKey || press.altKey || press.metaKey || press.isComposing || press.defaultPrevented) return null;
  if (press.repeat || focus === 'text') return null;
  const key = latinKey(press);
  const action = SHORTCUTS.find((shortcut) => shortcut.key === key)?.action ?? null;
  if (action === 'close') return action;
  // Space presses buttons and moves sliders.
  if (!enabled || (action === 'talk' && focus === 'control')) return null;
  return action;
}

/** The letter, whatever the case; on keyboards for other scripts, the one that stands in its place. */
function latinKey({ key, code }: KeyPress): string {
  if (key.length !== 1) return key;
  const isLatin = key.charCodeAt(0) < 0x80;
  return (isLatin || !code.startsWith('Key') ? key : code.slice(3)).toLowerCase();
}

/** Inputs into which one does not type. */
const NOT_TYPED = new Set(['button', 'checkbox', 'color', 'file', 'image', 'radio', 'range', 'reset', 'submit']);

const CONTROLS = 'button, a[href], input, select, textarea, summary, [role="button"], [role="slider"], audio, video';

export function focusOf(element: Element | null): Focus {
  if (element === null) return 'nothing';
  // Letters choose in a list as well.
  if (element.matches('textarea, select, [role="textbox"], [contenteditable]:not([contenteditable="false"])')) {
    return 'text';
  }
  if (element.closest('[contenteditable]:not([contenteditable="false"])') !== null) return 'text';
  if (element.matches('input')) return NOT_TYPED.has(element.getAttribute('type') ?? 'text') ? 'control' : 'text';
  return element.closest(CONTROLS) === null ? 'nothing' : 'control';
}

/** Push to talk: speaks only while the key is held, and never leaves on what it did not switch on. */
export class PushToTalk {
  #isHeld = false;

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether to switch the microphone on. */
  press(isOn: boolean): boolean {
    if (isOn || this.#isHeld) return false;
    this.#isHeld = true;
    return true;
  }

  /** Whether to switch it off again. */
  release(): boolean {
    const wasHeld = this.#isHeld;
    this.#isHeld = false;
    return wasHeld;
  }
}

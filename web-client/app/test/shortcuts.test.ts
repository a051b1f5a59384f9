import { describe, expect, it } from 'vitest';
import { PushToTalk, shortcutOf, SHORTCUTS, type Focus, type KeyPress } from '../src/call/shortcuts';
import { text } from '../src/text';

const press = (key: string, change: Partial<KeyPress> = {}): KeyPress => ({
  key,
  code: key.length === 1 ? `Key${key.toUpperCase()}` : key,
  repeat: false,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  isComposing: false,
  defaultPrevented: false,
  ...change,
});

const action = (key: string, focus: Focus = 'nothing', change: Partial<KeyPress> = {}) =>
  shortcutOf(press(key, change), focus, true);

describe('keys', () => {
  it.each([
    ['m', 'microphone'],
    ['M', 'microphone'],
    ['v', 'camera'],
    ['s', 'screen'],
    ['n', 'note'],
    ['p', 'people'],
    ['t', 'chat'],
    ['c', 'copy'],
    ['?', 'help'],
    [' ', 'talk'],
    ['Escape', 'close'],
    ['x', null],
    ['Enter', null],
  ])('%s does %s', (key, expected) => expect(action(key)).toBe(expected));

  it('are found in their place on a Cyrillic keyboard', () => {
    expect(action('ь', 'nothing', { code: 'KeyM' })).toBe('microphone');
    expect(action('é', 'nothing', { code: 'Digit2' })).toBeNull();
  });

  it('never do anything while one types', () => {
    for (const { key } of SHORTCUTS) expect(action(key, 'text')).toBeNull();
  });

  it('leave Space to whatever control has the focus', () => {
    expect(action(' ', 'control')).toBeNull();
    expect(action('m', 'control')).toBe('microphone');
  });

  it.each(['ctrlKey', 'altKey', 'metaKey', 'repeat', 'isComposing', 'defaultPrevented'] as const)(
    'do nothing with %s',
    (flag) => {
      for (const { key } of SHORTCUTS) expect(action(key, 'nothing', { [flag]: true })).toBeNull();
    },
  );

  it('can be switched off, all but Escape', () => {
    const left = SHORTCUTS.filter(({ key }) => shortcutOf(press(key), 'nothing', false) !== null);
    expect(left.map((shortcut) => shortcut.action)).toEqual(['close']);
  });

  it('are all explained', () => {
    for (const shortcut of SHORTCUTS) expect(text.shortcuts.does[shortcut.action]).not.toBe('');
    expect(new Set(SHORTCUTS.map(({ key }) => key)).size).toBe(SHORTCUTS.length);
  });
});

describe('push to talk', () => {
  it('switches on while held and off afterwards', () => {
    const talk = new PushToTalk();
    expect(talk.press(false)).toBe(true);
    expect(talk.isHeld).toBe(true);
    expect(talk.press(false)).toBe(false);
    expect(talk.release()).toBe(true);
    expect(talk.release()).toBe(false);
  });

  it('does not switch off a microphone that was on', () => {
    const talk = new PushToTalk();
    expect(talk.press(true)).toBe(false);
    expect(talk.release()).toBe(false);
  });
});

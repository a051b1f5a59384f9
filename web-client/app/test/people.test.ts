import { describe, expect, it } from 'vitest';
import { colourOf, cursorColourOf, PALETTE } from '../src/colours';
import { initials } from '../src/initials';

describe('initials', () => {
  it.each([
    ['Ada', 'A'],
    ['ada lovelace', 'AL'],
    ['  Grace   Brewster Hopper ', 'GH'],
    ['jean-luc', 'JL'],
    ['👩🏽‍💻 dev', '👩🏽‍💻D'],
    ['', '?'],
    ['...', '?'],
  ])('of %s are %s', (name, expected) => expect(initials(name)).toBe(expected));
});

/** WCAG 2.2, relative luminance and contrast ratio. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

describe('colours of people', () => {
  it.each(PALETTE)('%s carries white text and is seen on the paper of both themes', (colour) => {
    expect(contrast(colour, '#ffffff')).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colour, '#fffdf9')).toBeGreaterThanOrEqual(3);
    expect(contrast(colour, '#211e1a')).toBeGreaterThanOrEqual(3);
  });

  it('are the same for the same id and use the whole palette', () => {
    expect(colourOf('p1')).toBe(colourOf('p1'));
    const used = new Set(Array.from({ length: 200 }, (_, index) => colourOf(`participant-${index}`)));
    expect(used.size).toBe(PALETTE.length);
  });

  it('differ between cursors, and hardly from those of the avatars', () => {
    const ids = Array.from({ length: 40 }, (_, index) => `participant-${index}`);
    expect(new Set(ids.map(cursorColourOf)).size).toBe(ids.length);
    for (const id of ids) {
      const [colour, near] = [cursorColourOf(id), colourOf(id)];
      expect(colour).toMatch(/^#[0-9a-f]{6}$/);
      expect(contrast(colour, near)).toBeLessThan(1.12);
      expect(contrast(colour, '#ffffff')).toBeGreaterThanOrEqual(4.5);
      expect(contrast(colour, '#211e1a')).toBeGreaterThanOrEqual(2.9);
    }
  });
});

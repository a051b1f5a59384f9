import { describe, expect, it } from 'vitest';
import { partsOf } from '../src/call/chat-links';

const shown = (message: string) =>
  partsOf(message)
    .map(({ text, href }) => (href === null ? text : `[${text}](${href})`))
    .join('');

describe('links in messages', () => {
  it.each([
    ['no link here', 'no link here'],
    ['see https://example.org/a?b=c#d.', 'see [https://example.org/a?b=c#d](https://example.org/a?b=c#d).'],
    [
      'http://a.example and https://b.example!',
      '[http://a.example](http://a.example/) and [https://b.example](https://b.example/)!',
    ],
    ['(https://example.org)', '([https://example.org](https://example.org/))'],
    ['https://example.org/a_(b)', '[https://example.org/a_(b)](https://example.org/a_(b))'],
    ['<https://example.org>', '<[https://example.org](https://example.org/)>'],
    ['javascript:alert(1)', 'javascript:alert(1)'],
    ['data:text/html,x ftp://example.org', 'data:text/html,x ftp://example.org'],
    ['https://', 'https://'],
    ['https://[', 'https://['],
    ['xhttps://example.org', 'xhttps://example.org'],
  ])('%s', (message, expected) => expect(shown(message)).toBe(expected));

  it('lose nothing of the text', () => {
    for (const message of [
      'a https://x.example, b',
      'https://x.example\n\nhttps://y.example',
      '  https://x.example  ',
    ]) {
      expect(
        partsOf(message)
          .map(({ text }) => text)
          .join(''),
      ).toBe(message);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { docOfPath, isDocName, pathOfDoc, roomOfDoc } from '../src/doc-name';
import { routeOf } from '../src/router';

describe('names of documents', () => {
  it.each([
    ['/d/minutes', 'minutes'],
    ['/d/agora/plan%20b', 'agora/plan b'],
    ['/d/agora%2Fplan', 'agora/plan'],
    ['/d/%E2%98%82', '☂'],
    ['/d/', null],
    ['/d', null],
    ['/d/%', null],
    ['/d/a%0Ab', null],
    ['/d/..', null],
    [`/d/${'x'.repeat(256)}`, 'x'.repeat(256)],
    [`/d/${'x'.repeat(257)}`, null],
    [`/d/${'%E2%98%82'.repeat(86)}`, null],
  ])('%s', (path, doc) => expect(docOfPath(path)).toBe(doc));

  it('come back from the path that is made of them', () => {
    for (const doc of ['minutes', 'agora/plan b', '☂?#%', 'a/../b', ' ']) {
      expect(isDocName(doc)).toBe(true);
      expect(docOfPath(new URL(pathOfDoc(doc), 'https://stoa.example').pathname)).toBe(doc);
    }
  });

  it('lead to the room they belong to', () => {
    expect(['agora', 'agora/plan', 'Agora', 'two words', '☂/x', '/x'].map(roomOfDoc)).toEqual([
      'agora',
      'agora',
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('pages', () => {
  it.each([
    ['/', { page: 'landing' }],
    ['/r/agora', { page: 'room', room: 'agora' }],
    ['/d/agora/plan', { page: 'document', doc: 'agora/plan' }],
    ['/d/', { page: 'nothing', bad: 'document' }],
    ['/r/!', { page: 'nothing', bad: 'room' }],
    ['/x', { page: 'nothing', bad: null }],
  ])('%s', (path, route) => expect(routeOf(path)).toEqual(route));
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NewsGatherer, spokenNews, type News } from '../src/call/news';

const joined = (...names: string[]): News[] => names.map((name) => ({ kind: 'joined', name }));

describe('news in words', () => {
  it.each([
    [['Ada'], 'Ada joined.'],
    [['Ada', 'Bob'], 'Ada and Bob joined.'],
    [['Ada', 'Bob', 'Cyd'], 'Ada, Bob, and Cyd joined.'],
    [['Ada', 'Bob', 'Cyd', 'Dan', 'Eve'], 'Ada, Bob, and 3 others joined.'],
  ])('%j', (names, words) => expect(spokenNews(joined(...names), 3)).toEqual([words]));

  it('speaks of one and of several', () => {
    const both = (kind: 'lost' | 'signalLost' | 'moderates' | 'shares' | 'wasRemoved'): string[] => [
      ...spokenNews([{ kind, name: 'Ada' }], 3),
      ...spokenNews(
        [
          { kind, name: 'Ada' },
          { kind, name: 'Bob' },
        ],
        3,
      ),
    ];
    expect(both('lost')).toEqual([
      'Ada lost the connection and is gone.',
      'Ada and Bob lost the connection and are gone.',
    ]);
    expect(both('signalLost')).toEqual(['Ada is reconnecting.', 'Ada and Bob are reconnecting.']);
    expect(both('moderates')).toEqual(['Ada is a moderator now.', 'Ada and Bob are moderators now.']);
    expect(both('shares')).toEqual(['Ada shares a screen.', 'Ada and Bob share their screens.']);
    expect(both('wasRemoved')).toEqual(['Ada was removed by a moderator.', 'Ada and Bob were removed by a moderator.']);
  });

  it('says each thing once, in the order of happening', () => {
    const news: News[] = [...joined('Ada'), { words: 'Bob is now Rob.' }, ...joined('Ada', 'Cyd')];
    expect(spokenNews(news, 3)).toEqual(['Ada and Cyd joined.', 'Bob is now Rob.']);
  });

  it('leaves small talk out in a crowd', () => {
    const news: News[] = [
      { kind: 'linkUp', name: 'Ada' },
      { kind: 'signalLost', name: 'Ada' },
      { kind: 'linkLost', name: 'Ada' },
    ];
    expect(spokenNews(news, 3)).toHaveLength(3);
    expect(spokenNews(news, 20)).toEqual(['No connection with Ada, trying again.']);
  });
});

describe('messages', () => {
  const messages: News[] = ['Ada wrote: Hi', 'Bob wrote: Ho'].map((message) => ({ message }));

  it('are read out among a few, and counted in a crowd', () => {
    expect(spokenNews(messages, 3)).toEqual(['Ada wrote: Hi', 'Bob wrote: Ho']);
    expect(spokenNews(messages, 20)).toEqual(['2 new messages.']);
    expect(spokenNews(messages.slice(1), 20)).toEqual(['Bob wrote: Ho']);
  });
});

describe('gathering', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('says twenty arrivals and their connections in one sentence', () => {
    const said: string[] = [];
    const gatherer = new NewsGatherer((words) => said.push(words));
    for (let index = 1; index <= 20; index += 1) {
      gatherer.add(joined(`P${index}`), index);
      gatherer.add([{ kind: 'linkUp', name: `P${index}` }], index);
    }
    vi.runAllTimers();
    expect(said).toEqual(['P1, P2, and 18 others joined.']);
  });

  it('is quick among a few, slow in a crowd, and silent when stopped', () => {
    const said: string[] = [];
    const gatherer = new NewsGatherer((words) => said.push(words));
    gatherer.add(joined('Ada'), 2);
    vi.advanceTimersByTime(250);
    expect(said).toEqual(['Ada joined.']);
    gatherer.add(joined('Bob'), 20);
    vi.advanceTimersByTime(2900);
    expect(said).toHaveLength(1);
    vi.advanceTimersByTime(200);
    expect(said).toEqual(['Ada joined.', 'Bob joined.']);
    gatherer.add(joined('Cyd'), 20);
    gatherer.stop();
    vi.runAllTimers();
    expect(said).toHaveLength(2);
  });
});

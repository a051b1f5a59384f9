import { describe, expect, it } from 'vitest';
import { Seating, type Seats } from '../src/call/seating';

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${index + 1}`);

class Room {
  readonly #seating = new Seating();
  #seats: Seats = { self: 'me', others: [], large: null, speakers: [], places: 49, page: 0, steady: [] };

  seat(change: Partial<Seats>): readonly string[] {
    this.#seats = { ...this.#seats, ...change };
    return this.#seating.seat(this.#seats).visible;
  }

  pages(change: Partial<Seats>): { page: number; pages: number } {
    this.#seats = { ...this.#seats, ...change };
    const { page, pages } = this.#seating.seat(this.#seats);
    return { page, pages };
  }
}

describe('with places for all', () => {
  it('seats oneself first and the others as they come', () => {
    const room = new Room();
    expect(room.seat({ others: ['a', 'b'] })).toEqual(['me', 'a', 'b']);
    expect(room.seat({ others: ['b', 'c', 'a'] })).toEqual(['me', 'a', 'b', 'c']);
  });

  it('moves nobody when somebody speaks', () => {
    const room = new Room();
    const before = room.seat({ others: names(8) });
    expect(room.seat({ speakers: ['p7', 'p2', 'me'] })).toEqual(before);
    expect(room.seat({ speakers: [] })).toEqual(before);
  });

  it('moves one person at most when one leaves: the last takes the empty seat', () => {
    const room = new Room();
    room.seat({ others: ['a', 'b', 'c', 'd'] });
    expect(room.seat({ others: ['a', 'c', 'd'] })).toEqual(['me', 'a', 'd', 'c']);
    expect(room.seat({ others: ['a', 'd', 'c', 'e'] })).toEqual(['me', 'a', 'd', 'c', 'e']);
    expect(room.seat({ others: ['e'] })).toEqual(['me', 'e']);
    expect(room.seat({ others: [] })).toEqual(['me']);
  });

  it('keeps the own seat under a new id', () => {
    const room = new Room();
    room.seat({ others: ['a', 'b'] });
    expect(room.seat({ self: 'me-again' })).toEqual(['me-again', 'a', 'b']);
  });

  it('keeps the seat of the large tile for when it is small again', () => {
    const room = new Room();
    room.seat({ others: ['a', 'b', 'c'] });
    expect(room.seat({ large: 'a' })).toEqual(['me', 'b', 'c']);
    expect(room.seat({ large: null })).toEqual(['me', 'a', 'b', 'c']);
  });
});

describe('with too few places', () => {
  it('gives a new speaker the seat of the one who has been silent longest', () => {
    const room = new Room();
    expect(room.seat({ others: names(6), places: 4 })).toEqual(['me', 'p1', 'p2', 'p3']);
    room.seat({ speakers: ['p3'] });
    room.seat({ speakers: ['p1'] });
    // p2 never spoke.
    expect(room.seat({ speakers: ['p5'] })).toEqual(['me', 'p1', 'p5', 'p3']);
    // p3 spoke before p1 and p5.
    expect(room.seat({ speakers: ['p6'] })).toEqual(['me', 'p1', 'p5', 'p6']);
    expect(room.seat({ speakers: ['p2'] })).toEqual(['me', 'p2', 'p5', 'p6']);
  });

  it('brings nobody in whose seat would cost another speaker theirs, and never takes the own seat', () => {
    const room = new Room();
    room.seat({ others: names(6), places: 3 });
    expect(room.seat({ speakers: ['p1', 'p2', 'p6'] })).toEqual(['me', 'p1', 'p2']);
    expect(room.seat({ speakers: ['p2', 'p6'] })).toEqual(['me', 'p6', 'p2']);
    expect(room.seat({ speakers: ['me', 'p6', 'p2'] })).toEqual(['me', 'p6', 'p2']);
  });

  it('leaves a tile alone that is in use', () => {
    const room = new Room();
    room.seat({ others: names(6), places: 3, steady: ['p2'] });
    expect(room.seat({ speakers: ['p6'] })).toEqual(['me', 'p6', 'p2']);
    expect(room.seat({ speakers: ['p5'], steady: ['p2', 'p6'] })).toEqual(['me', 'p6', 'p2']);
  });

  it('does not need a place for a speaker who is large', () => {
    const room = new Room();
    room.seat({ others: names(6), places: 3, large: 'p6' });
    expect(room.seat({ speakers: ['p6'] })).toEqual(['me', 'p1', 'p2']);
  });

  it('turns pages, and leaves a further page to those who are silent', () => {
    const room = new Room();
    expect(room.pages({ others: names(6), places: 3 })).toEqual({ page: 0, pages: 3 });
    expect(room.seat({ page: 1 })).toEqual(['p3', 'p4', 'p5']);
    expect(room.seat({ speakers: ['p4'] })).toEqual(['p3', 'p4', 'p5']);
    expect(room.seat({ speakers: ['p1', 'p6'] })).toEqual(['p3', 'p4', 'p5']);
    expect(room.seat({ page: 0 })).toEqual(['me', 'p1', 'p6']);
    expect(room.seat({ speakers: [], page: 2 })).toEqual(['p2']);
    expect(room.pages({ page: 9 })).toEqual({ page: 2, pages: 3 });
    expect(room.pages({ others: names(2) })).toEqual({ page: 0, pages: 1 });
  });

  it('never moves a speaker who is seen, whatever happens to the others', () => {
    const room = new Room();
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const all = names(20);
    let others = all.slice(0, 10);
    let speakers: string[] = [];
    let before = room.seat({ others, places: 6 });
    for (let step = 0; step < 3000; step += 1) {
      const who = all[random(all.length)] ?? 'p1';
      const isPresent = others.includes(who);
      if (random(4) === 0 && !isPresent) others = [...others, who];
      const next = others[random(others.length)];
      speakers = [...new Set([...speakers.slice(0, 2), ...(next === undefined ? [] : [next])])].reverse();
      const now = room.seat({ others, speakers });
      for (const [seat, id] of before.entries()) {
        if (speakers.includes(id)) expect(now[seat]).toBe(id);
      }
      const moved = before.filter((id, seat) => now[seat] !== id && now.includes(id));
      expect(moved).toEqual([]);
      expect(new Set(now).size).toBe(now.length);
      expect(now[0]).toBe('me');
      const unseen = speakers.filter((id) => !now.includes(id));
      expect(unseen).toEqual([]);
      before = now;
    }
  });
});

import { describe, expect, it } from 'vitest';
import { follow, largeOf, NO_SPOTLIGHT, pin, unpin } from '../src/call/spotlight';

const people = ['me', 'a', 'b'];
const [screenA, screenB] = ['a/screen', 'b/screen'];

describe('the large tile', () => {
  it('is none as long as nothing is shared or pinned', () => {
    const still = follow(NO_SPOTLIGHT, people, []);
    expect(still).toBe(NO_SPOTLIGHT);
    expect(largeOf(still)).toBeNull();
  });

  it('is a screen as soon as it begins, and the other one when it ends', () => {
    const one = follow(NO_SPOTLIGHT, people, [screenA]);
    expect(largeOf(one)).toBe(screenA);
    expect(follow(one, people, [screenA])).toBe(one);
    const two = follow(one, people, [screenA, screenB]);
    expect(largeOf(two)).toBe(screenB);
    const after = follow(two, people, [screenA]);
    expect(largeOf(after)).toBe(screenA);
    expect(largeOf(follow(after, people, []))).toBeNull();
  });

  it('is what is pinned, whatever begins', () => {
    const pinned = pin(NO_SPOTLIGHT, 'b');
    const shared = follow(pinned, people, [screenA]);
    expect(largeOf(shared)).toBe('b');
    expect(largeOf(unpin(shared, 'b'))).toBe(screenA);
  });

  it('is nothing any more when the pinned person leaves', () => {
    const pinned = follow(pin(NO_SPOTLIGHT, 'b'), people, []);
    expect(largeOf(follow(pinned, ['me', 'a'], []))).toBeNull();
  });

  it('stays small once made small, until a screen begins anew', () => {
    const shared = follow(NO_SPOTLIGHT, people, [screenA]);
    const small = follow(unpin(shared, screenA), people, [screenA]);
    expect(largeOf(small)).toBeNull();
    const ended = follow(small, people, []);
    expect(largeOf(follow(ended, people, [screenA]))).toBe(screenA);
  });

  it('lets a pinned screen go in one step', () => {
    const shared = pin(follow(NO_SPOTLIGHT, people, [screenA]), screenA);
    expect(largeOf(unpin(shared, screenA))).toBeNull();
  });
});

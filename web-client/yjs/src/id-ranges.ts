interface Range {
  readonly start: number;
  /** Not included. */
  readonly end: number;
}

/** A set of ids as Yjs counts them: per client, ranges of clocks. Ranges of a client are in order and do not touch. */
export class IdRanges {
  readonly #clients = new Map<number, Range[]>();

  /** Whether there is nothing in it. */
  get isEmpty(): boolean {
    return this.#clients.size === 0;
  }

  /** How many ids are in it. */
  get size(): number {
    let sum = 0;
    for (const ranges of this.#clients.values()) {
      sum += ranges.reduce((total, { start, end }) => total + end - start, 0);
    }
    return sum;
  }

  /** The clients in it, each with its lowest clock. */
  *firsts(): Generator<[client: number, clock: number]> {
    for (const [client, [first]] of this.#clients) {
      if (first !== undefined) {
        yield [client, first.start];
      }
    }
  }

  /** Puts the clocks from `start` to before `end` in. */
  add(client: number, start: number, end: number): void {
    if (end <= start) {
      return;
    }
    const ranges = this.#clients.get(client);
    const last = ranges?.at(-1);
    if (ranges === undefined || last === undefined) {
      this.#clients.set(client, [{ start, end }]);
    } else if (start > last.end) {
      ranges.push({ start, end });
    } else if (start >= last.start) {
      ranges[ranges.length - 1] = { start: last.start, end: Math.max(last.end, end) };
    } else {
      this.#clients.set(client, joined(ranges, { start, end }));
    }
  }

  /** Takes the clocks from `start` to before `end` out. */
  remove(client: number, start: number, end: number): void {
    this.#subtract(client, [{ start, end }]);
  }

  /** Puts all of another set in. */
  addAll(other: IdRanges): void {
    for (const [client, ranges] of other.#clients) {
      ranges.forEach(({ start, end }) => this.add(client, start, end));
    }
  }

  /** Takes all of another set out. */
  removeAll(other: IdRanges): void {
    for (const [client, ranges] of other.#clients) {
      this.#subtract(client, ranges);
    }
  }

  /** Whether any id is in both. */
  overlaps(other: IdRanges): boolean {
    for (const [client, ranges] of this.#clients) {
      if (doOverlap(ranges, other.#clients.get(client) ?? [])) {
        return true;
      }
    }
    return false;
  }

  /** The same set, to be changed on its own. */
  copy(): IdRanges {
    const copy = new IdRanges();
    for (const [client, ranges] of this.#clients) {
      copy.#clients.set(client, [...ranges]);
    }
    return copy;
  }

  #subtract(client: number, ranges: readonly Range[]): void {
    const before = this.#clients.get(client);
    if (before === undefined) {
      return;
    }
    const left = without(before, ranges);
    if (left.length === 0) {
      this.#clients.delete(client);
    } else {
      this.#clients.set(client, left);
    }
  }
}

function joined(ranges: readonly Range[], added: Range): Range[] {
  const before = ranges.filter(({ end }) => end < added.start);
  const after = ranges.filter(({ start }) => start > added.end);
  const touched = ranges.slice(before.length, ranges.length - after.length);
  const start = Math.min(added.start, touched[0]?.start ?? added.start);
  const end = Math.max(added.end, touched.at(-1)?.end ?? added.end);
  return [...before, { start, end }, ...after];
}

/** What of `ranges` is in none of `holes`; both are in order. */
function without(ranges: readonly Range[], holes: readonly Range[]): Range[] {
  const left: Range[] = [];
  let at = 0;
  for (const range of ranges) {
    let { start } = range;
    while ((holes[at]?.end ?? Infinity) <= start) {
      at += 1;
    }
    for (let index = at; start < range.end; index += 1) {
      const hole = holes[index] ?? { start: Infinity, end: Infinity };
      if (hole.start > start) {
        left.push({ start, end: Math.min(range.end, hole.start) });
      }
      start = Math.max(start, hole.end);
    }
  }
  return left;
}

function doOverlap(a: readonly Range[], b: readonly Range[]): boolean {
  let at = 0;
  return a.some(({ start, end }) => {
    while ((b[at]?.end ?? Infinity) <= start) {
      at += 1;
    }
    return (b[at]?.start ?? Infinity) < end;
  });
}

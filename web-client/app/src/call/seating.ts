/** Who sits where when there are more people than places. Nobody who is seen moves, whoever speaks. */

export interface Seats {
  /** Oneself: always on the first place. */
  readonly self: string;
  /** The others, in order of arrival. */
  readonly others: readonly string[];
  /** Who has the large tile and so no place here. */
  readonly large: string | null;
  /** Who speaks now, the loudest first. */
  readonly speakers: readonly string[];
  /** How many are seen at once. */
  readonly places: number;
  readonly page: number;
  /** Tiles that keep their seat even so: screens, and the one that has the keyboard's focus. */
  readonly steady: readonly string[];
}

export interface Seated {
  /** Who is seen, by place. */
  readonly visible: readonly string[];
  /** The page that is shown: the one asked for, if it exists. */
  readonly page: number;
  readonly pages: number;
}

/**
 * Remembers the order of the seats. Newcomers sit down at the end. The last one takes the seat of whoever leaves. Whoever
 * speaks without being seen changes seats with the one who, among those seen, has been silent longest; but not while
 * somebody looks at a further page.
 */
export class Seating {
  #order: string[] = [];
  /** When each spoke last, counted in calls of `seat`. */
  readonly #spoke = new Map<string, number>();
  #turn = 0;

  seat(seats: Seats): Seated {
    this.#admit(seats);
    this.#listen(seats);
    const rest = this.#order.filter((id) => id !== seats.large);
    const places = Math.max(1, seats.places);
    const pages = Math.max(1, Math.ceil(rest.length / places));
    const page = Math.min(Math.max(0, seats.page), pages - 1);
    const visible = rest.slice(page * places, (page + 1) * places);
    // Who turns the page wants to see the others, whoever speaks.
    if (page === 0) this.#showSpeakers(seats, visible);
    return { visible, page, pages };
  }

  #admit({ self, others }: Seats): void {
    const present = new Set(others);
    // Under a new id after a lost connection, oneself is still the same.
    this.#order[0] = self;
    let seat = 1;
    while (seat < this.#order.length) {
      const id = this.#order[seat];
      if (id !== undefined && present.delete(id)) {
        seat += 1;
        continue;
      }
      const last = this.#order.pop();
      if (last !== undefined && seat < this.#order.length) this.#order[seat] = last;
    }
    this.#order.push(...present);
    const seated = new Set(this.#order);
    for (const id of this.#spoke.keys()) if (!seated.has(id)) this.#spoke.delete(id);
  }

  #listen({ speakers }: Seats): void {
    for (const id of speakers.toReversed()) {
      this.#turn += 1;
      if (this.#order.includes(id)) this.#spoke.set(id, this.#turn);
    }
  }

  /** Changes `visible` along with the order. */
  #showSpeakers({ self, speakers, large, steady }: Seats, visible: string[]): void {
    for (const speaker of speakers) {
      const from = this.#order.indexOf(speaker);
      if (from < 0 || speaker === large || speaker === self || visible.includes(speaker)) continue;
      const kept = new Set([self, ...steady, ...speakers]);
      const giving = this.#silentLongest(visible.filter((id) => !kept.has(id)));
      if (giving === null) return;
      this.#order[this.#order.indexOf(giving)] = speaker;
      this.#order[from] = giving;
      visible[visible.indexOf(giving)] = speaker;
    }
  }

  /** Of several who never spoke, the last. */
  #silentLongest(ids: readonly string[]): string | null {
    let silent: string | null = null;
    for (const id of ids) {
      if (silent === null || this.#spokeAt(id) <= this.#spokeAt(silent)) silent = id;
    }
    return silent;
  }

  #spokeAt(id: string): number {
    return this.#spoke.get(id) ?? 0;
  }
}

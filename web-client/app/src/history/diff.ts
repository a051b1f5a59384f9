/** Differences between two texts, by lines and then by words. */

export interface Piece {
  readonly kind: 'same' | 'inserted' | 'deleted';
  readonly text: string;
}

/** Texts that differ in more places are shown as replaced: nobody reads such a difference, and it costs too much. */
const MOST_CHANGES = 1_500;
/** Longer changed passages are not compared word by word. */
const MOST_WORDS = 4_000;

const LINES = /[^\n]*\n|[^\n]+/gu;
const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;

/** How `from` becomes `to`, in order. */
export function diffText(from: string, to: string): Piece[] {
  const byLines = diffTokens(from.match(LINES) ?? [], to.match(LINES) ?? []);
  const pieces: Piece[] = [];
  for (let index = 0; index < byLines.length; index += 1) {
    const [piece, next] = [byLines[index], byLines[index + 1]];
    if (piece === undefined) break;
    if (piece.kind === 'deleted' && next?.kind === 'inserted') {
      pieces.push(...diffWords(piece.text, next.text));
      index += 1;
    } else {
      pieces.push(piece);
    }
  }
  return joined(pieces);
}

function diffWords(from: string, to: string): Piece[] {
  const [a, b] = [from.match(WORDS) ?? [], to.match(WORDS) ?? []];
  return a.length > MOST_WORDS || b.length > MOST_WORDS ? replaced(from, to) : diffTokens(a, b);
}

/** The shortest way from one list to the other; deletions come before insertions. */
function diffTokens(from: readonly string[], to: readonly string[]): Piece[] {
  const most = Math.min(from.length, to.length);
  let head = 0;
  while (head < most && from[head] === to[head]) head += 1;
  let tail = 0;
  while (tail < most - head && from[from.length - 1 - tail] === to[to.length - 1 - tail]) tail += 1;
  const [a, b] = [from.slice(head, from.length - tail), to.slice(head, to.length - tail)];
  const middle = shortest(a, b) ?? replaced(a.join(''), b.join(''));
  const same = (tokens: readonly string[]): Piece => ({ kind: 'same', text: tokens.join('') });
  return joined([same(from.slice(0, head)), ...middle, same(from.slice(from.length - tail))]);
}

function replaced(from: string, to: string): Piece[] {
  return [
    { kind: 'deleted', text: from },
    { kind: 'inserted', text: to },
  ];
}

/** Myers' algorithm: how far each diagonal gets with so many changes. Null: there are too many. */
function shortest(a: readonly string[], b: readonly string[]): Piece[] | null {
  const reached: Int32Array[] = [];
  const most = Math.min(a.length + b.length, MOST_CHANGES);
  // Index `diagonal + most + 1`; a diagonal is the position in `a` minus that in `b`.
  const furthest = new Int32Array(2 * most + 3);
  const at = (diagonal: number): number => furthest[diagonal + most + 1] ?? 0;
  for (let changes = 0; changes <= most; changes += 1) {
    reached.push(furthest.slice(most - changes, most + changes + 3));
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      const isDown = diagonal === -changes || (diagonal !== changes && at(diagonal - 1) < at(diagonal + 1));
      let x = isDown ? at(diagonal + 1) : at(diagonal - 1) + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      furthest[diagonal + most + 1] = x;
      if (x >= a.length && x - diagonal >= b.length) return retrace(a, b, reached);
    }
  }
  return null;
}

/** Goes back from the end, over what each number of changes had reached. */
function retrace(a: readonly string[], b: readonly string[], reached: readonly Int32Array[]): Piece[] {
  const pieces: Piece[] = [];
  let [x, y] = [a.length, b.length];
  for (let changes = reached.length - 1; changes > 0; changes -= 1) {
    const at = (diagonal: number): number => reached[changes]?.[diagonal + changes + 1] ?? 0;
    const diagonal = x - y;
    const isDown = diagonal === -changes || (diagonal !== changes && at(diagonal - 1) < at(diagonal + 1));
    const beforeX = isDown ? at(diagonal + 1) : at(diagonal - 1);
    const beforeY = beforeX - (isDown ? diagonal + 1 : diagonal - 1);
    pieces.push({ kind: 'same', text: a.slice(isDown ? beforeX : beforeX + 1, x).join('') });
    pieces.push(isDown ? { kind: 'inserted', text: b[beforeY] ?? '' } : { kind: 'deleted', text: a[beforeX] ?? '' });
    [x, y] = [beforeX, beforeY];
  }
  pieces.push({ kind: 'same', text: a.slice(0, x).join('') });
  return pieces.reverse();
}

/** Puts neighbours of a kind together, and within a change what was deleted first. */
function joined(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = [];
  let [deleted, inserted] = ['', ''];
  const flush = (): void => {
    if (deleted !== '') all.push({ kind: 'deleted', text: deleted });
    if (inserted !== '') all.push({ kind: 'inserted', text: inserted });
    [deleted, inserted] = ['', ''];
  };
  for (const { kind, text } of pieces) {
    if (text === '') continue;
    if (kind === 'deleted') deleted += text;
    else if (kind === 'inserted') inserted += text;
    else {
      flush();
      const last = all.at(-1);
      if (last?.kind === 'same') all[all.length - 1] = { kind, text: last.text + text };
      else all.push({ kind, text });
    }
  }
  flush();
  return all;
}

/** Whose name holds what is looked for, whatever its case and accents; everybody, if nothing is. */
export function findPeople<T extends { readonly name: string }>(people: readonly T[], wanted: string): readonly T[] {
  const plain = plainWords(wanted);
  return plain === '' ? people : people.filter(({ name }) => plainWords(name).includes(plain));
}

function plainWords(words: string): string {
  return words.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().trim();
}

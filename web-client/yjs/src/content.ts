import * as Y from 'yjs';
import { IdRanges } from './id-ranges';

/**
 * What a document, or an update, consists of: what was inserted and what was deleted. State vectors say nothing about
 * deletes, so both are accounted for.
 */
export class Content {
  readonly structs: IdRanges;
  readonly deletes: IdRanges;

  constructor(structs = new IdRanges(), deletes = new IdRanges()) {
    this.structs = structs;
    this.deletes = deletes;
  }

  /** Everything in a document. */
  static ofDoc(doc: Y.Doc): Content {
    return Content.since(doc, new Map());
  }

  /** What was inserted beyond a state vector, and everything that was ever deleted: what step 2 carries. */
  static since(doc: Y.Doc, stateVector: ReadonlyMap<number, number>): Content {
    const content = new Content();
    for (const client of doc.store.clients.keys()) {
      content.structs.add(client, stateVector.get(client) ?? 0, Y.getState(doc.store, client));
    }
    content.#addDeletes(Y.createDeleteSetFromStructStore(doc.store));
    return content;
  }

  /** What a transaction brought. */
  static ofTransaction({ beforeState, afterState, deleteSet }: Y.Transaction): Content {
    const content = new Content();
    for (const [client, clock] of afterState) {
      content.structs.add(client, beforeState.get(client) ?? 0, clock);
    }
    content.#addDeletes(deleteSet);
    return content;
  }

  /** What an update says. Throws if it is none. */
  static ofUpdate(update: Uint8Array): Content {
    const { structs, ds } = Y.decodeUpdate(update);
    const content = new Content();
    for (const struct of structs) {
      if (!(struct instanceof Y.Skip)) {
        content.structs.add(struct.id.client, struct.id.clock, struct.id.clock + struct.length);
      }
    }
    content.#addDeletes(ds);
    return content;
  }

  /** Whether there is nothing in it. */
  get isEmpty(): boolean {
    return this.structs.isEmpty && this.deletes.isEmpty;
  }

  /** How much was inserted and deleted, for text in UTF-16 units. */
  get size(): number {
    return this.structs.size + this.deletes.size;
  }

  /** Puts all of another content in. */
  addAll(other: Content): void {
    this.structs.addAll(other.structs);
    this.deletes.addAll(other.deletes);
  }

  /** Takes all of another content out. */
  removeAll(other: Content): void {
    this.structs.removeAll(other.structs);
    this.deletes.removeAll(other.deletes);
  }

  /** Whether anything is in both. */
  overlaps(other: Content): boolean {
    return this.structs.overlaps(other.structs) || this.deletes.overlaps(other.deletes);
  }

  /** The same content, to be changed on its own. */
  copy(): Content {
    return new Content(this.structs.copy(), this.deletes.copy());
  }

  #addDeletes({ clients }: ReturnType<typeof Y.createDeleteSet>): void {
    for (const [client, items] of clients) {
      items.forEach(({ clock, len }) => this.deletes.add(client, clock, clock + len));
    }
  }
}

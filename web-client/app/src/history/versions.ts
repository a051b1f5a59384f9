/** The versions of a document, as the server keeps them. */

export interface Version {
  readonly id: string;
  /** Null: nobody gave it one. */
  readonly name: string | null;
  readonly createdAt: Date;
  /** Whether the server made it by itself. */
  readonly automatic: boolean;
  readonly author: string | null;
  readonly bytes: number;
}

export interface VersionPage {
  /** The newest first. */
  readonly versions: readonly Version[];
  /** The id before which they begin; null: there are none. */
  readonly next: string | null;
}

/** The server did not do what was asked. */
export class VersionsError extends Error {
  /** The status of HTTP; 0: there was no answer. */
  readonly status: number;

  constructor(status: number) {
    super(`the server answered with ${status}`);
    this.name = 'VersionsError';
    this.status = status;
  }
}

/** Asks the server over HTTP. */
export class Versions {
  readonly #address: string;
  readonly #token: string | undefined;

  constructor(doc: string, token: string | undefined) {
    this.#address = `/v1/docs/${encodeURIComponent(doc)}/versions`;
    this.#token = token;
  }

  async list(before: string | null = null): Promise<VersionPage> {
    const query = before === null ? '' : `?${new URLSearchParams({ before }).toString()}`;
    const page: unknown = await (await this.#ask('GET', query)).json();
    if (!isRecord(page) || !Array.isArray(page['versions'])) throw new VersionsError(0);
    const { next } = page;
    return { versions: page['versions'].flatMap(parseVersion), next: typeof next === 'string' ? next : null };
  }

  /** Keeps the document as it is on the server now. */
  async create(name: string | null, author: string | null): Promise<Version> {
    const fields = { ...(name === null ? {} : { name }), ...(author === null ? {} : { author }) };
    const [version] = parseVersion(await (await this.#ask('POST', '', fields)).json());
    if (version === undefined) throw new VersionsError(0);
    return version;
  }

  /** The whole document as it was then, as a Yjs update. */
  async read(id: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#ask('GET', `/${encodeURIComponent(id)}`)).arrayBuffer());
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#ask('PATCH', `/${encodeURIComponent(id)}`, { name });
  }

  async remove(id: string): Promise<void> {
    await this.#ask('DELETE', `/${encodeURIComponent(id)}`);
  }

  async #ask(method: string, rest: string, fields?: object): Promise<Response> {
    const headers = new Headers();
    if (this.#token !== undefined) headers.set('authorization', `Bearer ${this.#token}`);
    if (fields !== undefined) headers.set('content-type', 'application/json');
    const body = fields === undefined ? null : JSON.stringify(fields);
    let response: Response;
    try {
      response = await fetch(this.#address + rest, { method, headers, body, cache: 'no-store' });
    } catch {
      throw new VersionsError(0);
    }
    if (!response.ok) throw new VersionsError(response.status);
    return response;
  }
}

function parseVersion(value: unknown): Version[] {
  if (!isRecord(value)) return [];
  const { id, created_at_ms: createdAtMs } = value;
  if (typeof id !== 'string' || typeof createdAtMs !== 'number') return [];
  return [
    {
      id,
      name: textOf(value['name']),
      createdAt: new Date(createdAtMs),
      automatic: value['automatic'] === true,
      author: textOf(value['author']),
      bytes: typeof value['bytes'] === 'number' ? value['bytes'] : 0,
    },
  ];
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

import { useState } from 'preact/hooks';
import { announce } from '../announcer';
import { laterText } from '../later-text';
import { VersionsError, type Version, type Versions } from './versions';

/** The list of versions, and what is done with it. */
export interface VersionsModel {
  readonly versions: readonly Version[];
  /** What asks for earlier ones; null: there are none. */
  readonly next: string | null;
  readonly isLoading: boolean;
  readonly problem: string | null;
  /** Loads the newest, or those before. */
  load(next: string | null): Promise<void>;
  /** Does something that changes the list, says `done` after it, and why it failed if it does. */
  attempt(step: () => Promise<unknown>, done?: string): Promise<void>;
}

export function useVersions(api: Versions): VersionsModel {
  const [versions, setVersions] = useState<readonly Version[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [isLoading, setIsLoading] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);

  const load = async (from: string | null): Promise<void> => {
    setIsLoading(true);
    try {
      const page = await api.list(from);
      setVersions((before) => (from === null ? page.versions : [...before, ...page.versions]));
      setNext(page.next);
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setIsLoading(false);
    }
  };
  const attempt = async (step: () => Promise<unknown>, done?: string): Promise<void> => {
    setProblem(null);
    try {
      await step();
      if (done === undefined) return;
      announce(done);
      await load(null);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return { versions, next, isLoading, problem, load, attempt };
}

export function problemOf(error: unknown): string {
  const says = laterText.history.problem;
  if (!(error instanceof VersionsError)) return says.other;
  switch (error.status) {
    case 0:
      return says.unreachable;
    case 401:
    case 403:
      return says.forbidden;
    case 404:
      return says.gone;
    case 409:
      return says.tooMany;
    case 429:
      return says.slowDown;
    case 503:
    case 507:
      return says.full;
    default:
      return says.other;
  }
}

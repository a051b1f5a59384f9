import { text } from '../text';
import type { Version } from './versions';

/** What a version is called: by its name, or by its time. */
export function versionTitle({ name, createdAt }: Version): string {
  return name ?? text.history.moment(createdAt);
}

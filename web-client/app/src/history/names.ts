import { laterText } from '../later-text';
import type { Version } from './versions';

/** What a version is called: by its name, or by its time. */
export function versionTitle({ name, createdAt }: Version): string {
  return name ?? laterText.history.moment(createdAt);
}

import { signal } from '@preact/signals';
import { announce } from '../announcer';
import { CheckIcon, LinkIcon } from '../icons';
import { text } from '../text';
import { shortcutHint } from './use-shortcuts';

const CONFIRMED_MS = 2500;

/** Shown on every button for it, because the key C copies too. */
const copied = signal(false);
let timer: ReturnType<typeof setTimeout> | undefined;

export async function copyLink(): Promise<void> {
  const done = await writeClipboard(location.href);
  announce(done ? text.call.copied : text.call.copyFailed);
  copied.value = done;
  clearTimeout(timer);
  timer = setTimeout(() => {
    copied.value = false;
  }, CONFIRMED_MS);
}

export function CopyLinkButton({ class: className }: { readonly class: string }) {
  return (
    <button
      type="button"
      class={className}
      aria-label={text.call.copyLink}
      title={text.call.copyLink}
      aria-keyshortcuts={shortcutHint('C')}
      onClick={() => void copyLink()}
    >
      {copied.value ? <CheckIcon /> : <LinkIcon />}
      <span class="control-text">{copied.value ? text.call.copied : text.call.copyLink}</span>
    </button>
  );
}

/** On an insecure page `navigator.clipboard` does not exist, whatever its type says. */
export async function writeClipboard(words: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return false;
  }
}

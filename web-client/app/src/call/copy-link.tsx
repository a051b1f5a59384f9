import { useEffect, useState } from 'preact/hooks';
import { announce } from '../announcer';
import { CheckIcon, LinkIcon } from '../icons';
import { text } from '../text';

const CONFIRMED_MS = 2500;

export function CopyLinkButton({ class: className }: { readonly class: string }) {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), CONFIRMED_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async (): Promise<void> => {
    const done = await writeClipboard(location.href);
    setCopied(done);
    announce(done ? text.call.copied : text.call.copyFailed);
  };

  return (
    <button type="button" class={className} aria-label={text.call.copyLink} title={text.call.copyLink} onClick={copy}>
      {copied ? <CheckIcon /> : <LinkIcon />}
      <span class="control-text">{copied ? text.call.copied : text.call.copyLink}</span>
    </button>
  );
}

/** On an insecure page `navigator.clipboard` does not exist, whatever its type says. */
async function writeClipboard(words: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return false;
  }
}

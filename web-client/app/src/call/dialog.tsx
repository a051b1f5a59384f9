import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { CloseIcon } from '../icons';

interface DialogProps {
  readonly title: string;
  /** What the button in the corner is called. */
  readonly closeLabel: string;
  readonly onClose: () => void;
  /** For contents that need more than a column. */
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

/** A modal dialog that exists only while it is open: what it measures, it measures only while somebody looks. */
export function Dialog({ title, closeLabel, onClose, wide = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    const opener = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      // The browser gives the focus back only if it closed the dialog itself.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);

  const closeOutside = (event: MouseEvent): void => {
    // The dialog's own box is filled by its child, so that only the backdrop is the dialog itself.
    if (event.target === dialog.current) dialog.current?.close();
  };

  return (
    <dialog
      ref={dialog}
      class={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={closeOutside}
    >
      <div class="dialog-box">
        <div class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button
            type="button"
            class="icon-button"
            aria-label={closeLabel}
            title={closeLabel}
            onClick={() => dialog.current?.close()}
          >
            <CloseIcon />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

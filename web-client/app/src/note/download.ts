/** Hands a file to whoever sits before the screen. */
export function download(name: string, content: string | Uint8Array<ArrayBuffer>, type: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads the address only after this turn of the event loop.
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** A document's name as part of a file's name. */
export function fileName(doc: string): string {
  return doc.replace(/[\\/:*?"<>|]/gu, '-');
}

import { signal } from '@preact/signals';
import { recall, remember } from './storage';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export const theme = signal<Theme>('system');

export function startTheme(): void {
  const stored = THEMES.find((known) => known === recall('stoa.theme'));
  apply(stored ?? 'system');
}

export function setTheme(next: Theme): void {
  remember('stoa.theme', next);
  apply(next);
}

function apply(next: Theme): void {
  theme.value = next;
  document.documentElement.dataset['theme'] = next;
}

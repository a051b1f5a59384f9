/** The parts that pages have in common: the mark, the theme switch, links that do not reload. */
import type { ComponentChildren } from 'preact';
import { MoonIcon, StoaMark, SunIcon, SystemIcon } from './icons';
import { navigate } from './router';
import { text } from './text';
import { setTheme, theme, THEMES } from './theme';

interface LinkProps {
  readonly href: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}

/** A link within the app. Keys that ask for a new tab or window keep their meaning. */
export function Link({ href, class: className, children }: LinkProps) {
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a href={href} class={className} onClick={follow}>
      {children}
    </a>
  );
}

export function SiteHeader() {
  return (
    <header class="site-header">
      <Link href="/" class="brand">
        <StoaMark />
        <span>{text.product}</span>
      </Link>
      <ThemeSwitch />
    </header>
  );
}

const themeIcons = { system: SystemIcon, light: SunIcon, dark: MoonIcon };

export function ThemeSwitch() {
  return (
    <div class="theme-switch" role="radiogroup" aria-label={text.theme.label}>
      {THEMES.map((choice) => {
        const ChoiceIcon = themeIcons[choice];
        return (
          <label key={choice} title={text.theme[choice]}>
            <input
              type="radio"
              name="theme"
              class="visually-hidden"
              checked={theme.value === choice}
              onChange={() => setTheme(choice)}
              aria-label={text.theme[choice]}
            />
            <ChoiceIcon size={18} />
          </label>
        );
      })}
    </div>
  );
}

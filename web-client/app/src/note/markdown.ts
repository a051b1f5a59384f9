/** Markdown for CodeMirror from the parser alone: the ready-made package would add HTML, CSS and JavaScript. */
import { defineLanguageFacet, HighlightStyle, Language, syntaxHighlighting } from '@codemirror/language';
import type { Extension } from '@codemirror/state';
import { tags } from '@lezer/highlight';
import { parser, Strikethrough, TaskList } from '@lezer/markdown';

const language = new Language(defineLanguageFacet({}), parser.configure([Strikethrough, TaskList]), [], 'markdown');

/** Colours come from the tokens, so that the editor follows the theme without being told. */
const style = HighlightStyle.define([
  { tag: tags.heading1, class: 'md-heading md-heading-1' },
  { tag: tags.heading2, class: 'md-heading md-heading-2' },
  { tag: tags.heading, class: 'md-heading' },
  { tag: tags.strong, class: 'md-strong' },
  { tag: tags.emphasis, class: 'md-emphasis' },
  { tag: tags.strikethrough, class: 'md-strikethrough' },
  { tag: tags.monospace, class: 'md-code' },
  { tag: [tags.link, tags.url], class: 'md-link' },
  { tag: tags.quote, class: 'md-quote' },
  { tag: [tags.processingInstruction, tags.contentSeparator, tags.labelName], class: 'md-mark' },
  { tag: tags.atom, class: 'md-mark' },
]);

export function markdown(): Extension {
  return [language, syntaxHighlighting(style)];
}

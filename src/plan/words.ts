/**
 * What the texts of ops are made of: values as words, notes in brackets.
 *
 * Pure.
 */
import { escapeControls } from '../util/quote.js';
import { SLOT } from './op.gen.js';

/** Slots as <id>, control characters escaped, quotes where the text would not stand as one word. */
export function show(text: string): string {
  let shown = text;
  for (const [slot, bytes] of Object.entries(SLOT)) shown = shown.replaceAll(bytes, `<${slot}>`);
  const escaped = escapeControls(shown.replace(/["\\]/g, '\\$&'));
  return escaped === '' || escaped !== shown || /[\s'()]/.test(shown) ? `"${escaped}"` : shown;
}

export const list = (texts: readonly string[]) => texts.map(show).join(' ');
export const bit = (flags: number, flag: number) => (flags & flag) !== 0;
export const when = (flags: number, flag: number, word: string) => (bit(flags, flag) ? [word] : []);

/** " (a, b; c)": groups of words, empty ones left out. */
export function notes(...groups: readonly (readonly string[])[]): string {
  const text = groups.filter((group) => group.length > 0).map((group) => group.join(', '));
  return text.length === 0 ? '' : ` (${text.join('; ')})`;
}

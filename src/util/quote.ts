/**
 * How text that somebody else chose (a program name, a mount target, hook output) enters a message: quoted, with JSON's
 * escapes, cut, and never able to look like one of the sentences by which engines recognise a failure: containerd, moby
 * and podman search our messages for them, so a program named "permission denied" must not turn into exit status 126.
 *
 * Pure.
 */

/** Lower case. containerd process/utils.go, moby daemon/errors.go, podman libpod/oci_util.go. */
const ENGINE_TEXTS = [
  'permission denied',
  'operation not permitted',
  'not a directory',
  'no such file or directory',
  'executable file not found',
  'no such process',
  'process already finished',
  'does not exist',
  'already exists',
  'container not running',
  'container with id exists',
  'cgroup not exist',
  'file not found',
] as const;

// C0, DEL, C1, line separators, bidirectional controls, BOM and lone surrogates: nothing may move the cursor or end the line.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

const SHORT: { readonly [char: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' };

function escapeChar(char: string): string {
  return SHORT[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Escapes what cannot be printed on one line, without quotes; line feeds become \n. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, escapeChar);
}

const ENGINE_TEXT = new RegExp(ENGINE_TEXTS.join('|'), 'i');

/** Writes the spaces of each sentence that engines look for as \u0020; two sentences may share a word. */
function disarm(text: string): string {
  let safe = text;
  while (ENGINE_TEXT.test(safe)) safe = safe.replace(ENGINE_TEXT, (sentence) => sentence.replaceAll(' ', '\\u0020'));
  return safe;
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}

/** Somebody else's text without quotes: a JSON pointer, a path in a sentence of runc's. */
export function plain(text: string, limit = 512): string {
  return disarm(escapeControls(cut(text, limit)));
}

/** Double quotes and JSON escapes: `"a\nb"`. */
export function quote(text: string, limit = 256): string {
  return `"${disarm(escapeControls(cut(text, limit).replace(/["\\]/g, '\\$&')))}"`;
}

/** Single quotes, for names inside a phrase: `mount 'tmpfs' on '/run'`. */
export function quoteName(text: string, limit = 256): string {
  return `'${disarm(escapeControls(cut(text, limit).replace(/['\\]/g, '\\$&')))}'`;
}

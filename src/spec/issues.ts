/**
 * Collects what is wrong with one document: every problem once, with its value and its place in the file.
 *
 * Pure.
 */
import type { SpecIssue, SpecIssueCode } from '../errors.js';
import { asPointer, type JsonPointer } from '../util/pointer.js';
import { show } from '../util/show.js';
import type { Position, SourceDocument } from './read.js';

export interface Details {
  /** The offending value; shown escaped and cut. */
  readonly value?: unknown;
  readonly hint?: string | undefined;
}

export interface Issues {
  readonly errors: SpecIssue[];
  readonly warnings: SpecIssue[];
}

export const noIssues = (): Issues => ({ errors: [], warnings: [] });

export function issue(
  code: SpecIssueCode,
  path: JsonPointer,
  message: string,
  { value, hint }: Details = {},
): SpecIssue {
  return {
    code,
    path,
    message,
    ...(value === undefined ? {} : { value: show(value) }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** Adds line and column, and puts the issues in the order of the file. */
export function placed(issues: readonly SpecIssue[], document: SourceDocument): readonly SpecIssue[] {
  if (issues.length === 0) return issues;
  return issues
    .map((found) => (found.line === undefined ? { ...found, ...nearest(found.path, document) } : found))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** Where the value is, or what should have held it. */
function nearest(path: JsonPointer, document: SourceDocument): Position | undefined {
  for (let at = path as string; ; at = at.slice(0, at.lastIndexOf('/'))) {
    const position = document.locate(asPointer(at));
    if (position !== undefined || at === '') return position;
  }
}

/** The value a pointer leads to from a root, or undefined. */
export function lookup(root: unknown, path: string): unknown {
  let value = root;
  for (const token of path.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null) return undefined;
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    value = Object.hasOwn(value, key) ? (value as { readonly [key: string]: unknown })[key] : undefined;
  }
  return value;
}

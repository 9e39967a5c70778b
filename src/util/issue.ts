/**
 * A refused field as one line: `/mounts/3/destination (config.json:12:7): must be an absolute path (got "proc")`.
 *
 * Pure.
 */
import type { SpecIssue } from '../errors.js';
import { escapeControls, plain } from './quote.js';

export function formatIssue(issue: SpecIssue, document: string): string {
  const position = issue.line === undefined ? '' : `:${issue.line}:${issue.column ?? 1}`;
  const place = issue.path.startsWith('-') ? '' : ` (${document}${position})`;
  const where = issue.path === '' ? `${document}${position}` : `${plain(issue.path)}${place}`;
  const got = issue.value === undefined ? '' : ` (got ${escapeControls(issue.value)})`;
  return `${where}: ${escapeControls(issue.message)}${got}`;
}

/** The document a SpecError is about: it stands at the start of its message. */
export function documentName(message: string): string {
  return /^(.*): \d+ problems?$/s.exec(message)?.[1] ?? 'config.json';
}

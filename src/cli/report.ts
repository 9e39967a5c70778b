/**
 * From a thrown error to what is printed and logged. One sentence per problem, a hint below it; the log's summary joins
 * them into one line.
 *
 * Pure.
 */
import { SpecError, TsrunError, UsageError } from '../errors.js';
import { errnoOf } from '../util/errno.js';
import { documentName, formatIssue } from '../util/issue.js';
import { escapeControls } from '../util/quote.js';
import type { ErrorReport } from './log.js';

interface Problem {
  readonly sentence: string;
  readonly hint: string | undefined;
}

function problemsOf(error: unknown, prefix: string): Problem[] {
  if (error instanceof SpecError) {
    const name = documentName(error.message);
    return error.issues.map((issue) => ({ sentence: `${prefix}: ${formatIssue(issue, name)}`, hint: issue.hint }));
  }
  if (error instanceof UsageError && error.flag === undefined)
    return [{ sentence: `tsrun: ${error.message}`, hint: error.hint }];
  if (error instanceof TsrunError) return [{ sentence: `${prefix}: ${error.message}`, hint: error.hint }];
  return [unexpected(error, prefix)];
}

/** A system call or a bug that nobody foresaw: named as such, never as a stack trace on one's terminal. */
function unexpected(error: unknown, prefix: string): Problem {
  const message = error instanceof Error ? error.message : String(error);
  const known = error instanceof Error && 'code' in error && errnoOf(String(error.code)) !== undefined;
  return {
    sentence: `${prefix}: ${message}`,
    hint: known ? undefined : 'this is a bug of tsrun; --debug logs where it happened',
  };
}

/** command: the verb, or undefined before one was read. usage: shown where the grammar was not kept. */
export function reportOf(error: unknown, command: string | undefined, usage: string): ErrorReport {
  const prefix = command === undefined ? 'tsrun' : `tsrun: ${command}`;
  const problems = problemsOf(error, prefix);
  const lines = problems.flatMap(({ sentence, hint }) => [sentence, ...(hint === undefined ? [] : [`hint: ${hint}`])]);
  if (error instanceof UsageError && error.flag === undefined) lines.push(`usage: ${usage}`);
  const summary = problems
    .map(({ sentence, hint }) => sentence + (hint === undefined ? '' : ` (hint: ${hint})`))
    .join('; ');
  return { lines: lines.map(escapeControls), summary: escapeControls(summary) };
}

/**
 * From a thrown error to what is printed and logged. One sentence per problem, a hint below it; the log's summary joins
 * them into one line; fields are the same for programs, with the codes of docs/errors.md.
 *
 * Pure.
 */
import { SpecError, type SpecIssue, StateError, TsrunError, UsageError } from '../errors.js';
import { errnoName, errnoOf } from '../util/errno.js';
import { documentName, formatIssue } from '../util/issue.js';
import { escapeControls } from '../util/quote.js';
import type { ErrorReport, Fields } from './log.js';

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
  return {
    sentence: `${prefix}: ${message}`,
    hint: errnoOfUnexpected(error) === undefined ? 'this is a bug of tsrun; --debug logs where it happened' : undefined,
  };
}

const errnoOfUnexpected = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error ? errnoOf(String(error.code)) : undefined;

/** What a field of an issue, or an op, is called in JSON: those that are not there are left out. */
export function issueFields(issue: SpecIssue, level: 'error' | 'warning'): Fields {
  const { code, path, message, value, line, column, hint } = issue;
  return defined({ level, code, path, line, column, value, reason: message, hint });
}

function defined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function operationFields({ operation }: TsrunError): Fields {
  if (operation === undefined) return {};
  const { problem, op, syscall, errno, path } = operation;
  const refused = errno === 0 ? {} : { syscall, errno, errnoName: errnoName(errno) };
  return { ...(path === '' ? {} : { path }), problem, op, ...refused };
}

function specFields(error: SpecError): Fields {
  const issues = error.issues.map((issue) => issueFields(issue, 'error'));
  return { document: documentName(error.message), path: error.path, issues };
}

function fieldsOf(error: unknown, command: string | undefined, message: string, hint: string | undefined): Fields {
  const common = { message, command, hint };
  if (!(error instanceof TsrunError)) {
    const errno = errnoOfUnexpected(error);
    return defined({ code: errno === undefined ? 'BUG' : 'IO', ...common, errno });
  }
  return defined({
    code: error.code,
    ...common,
    ...(error instanceof SpecError ? specFields(error) : {}),
    ...(error instanceof UsageError ? { flag: error.flag } : {}),
    ...(error instanceof StateError ? { id: error.id } : {}),
    ...operationFields(error),
  });
}

/** For the log line of a warning: what it is about. */
export function warningFields(cause: SpecIssue | TsrunError | undefined): Fields {
  if (cause instanceof TsrunError) return { code: cause.code, ...operationFields(cause) };
  if (cause === undefined) return {};
  const { code, path, line, column } = cause;
  return defined({ code, path, line, column });
}

/** A command with two forms has a line for each. */
function usageLines(usage: string): string[] {
  const [first = '', ...others] = usage.split('\n');
  return [`usage: ${first}`, ...others.map((line) => `       ${line.trim()}`)];
}

/** command: the verb, or undefined before one was read. usage: shown where the grammar was not kept. */
export function reportOf(error: unknown, command: string | undefined, usage: string): ErrorReport {
  const prefix = command === undefined ? 'tsrun' : `tsrun: ${command}`;
  const problems = problemsOf(error, prefix);
  const lines = problems.flatMap(({ sentence, hint }) => [sentence, ...(hint === undefined ? [] : [`hint: ${hint}`])]);
  if (error instanceof UsageError && error.flag === undefined) lines.push(...usageLines(usage));
  const summary = problems
    .map(({ sentence, hint }) => sentence + (hint === undefined ? '' : ` (hint: ${hint})`))
    .join('; ');
  const message = problems.map(({ sentence }) => sentence).join('; ');
  return {
    lines: lines.map(escapeControls),
    summary: escapeControls(summary),
    fields: fieldsOf(error, command, escapeControls(message), problems[0]?.hint),
  };
}

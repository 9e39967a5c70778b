/**
 * The error classes of tsrun and the catalogue of their codes. Each code is documented in docs/errors.md.
 *
 * Libraries throw these; only cli, daemon and shim print, log or exit.
 * Pure.
 */
import type { JsonPointer } from './util/pointer.js';

/** What one refused field looks like. A SpecError carries all of a document's issues at once. */
export interface SpecIssue {
  readonly code: SpecIssueCode;
  readonly path: JsonPointer;
  /** The reason, without the path and the value: "must be an absolute path". */
  readonly message: string;
  /** The offending value, JSON-escaped and cut to 64 bytes. */
  readonly value?: string;
  readonly line?: number;
  readonly column?: number;
  /** What to do about it, or "did you mean …?". */
  readonly hint?: string;
}

/** Grows by one line per rule; test/errors.test.ts asserts that each code has a test and a line in docs/errors.md. */
export type SpecIssueCode = string & {};

export type ErrorCode =
  | 'SPEC_INVALID' // config.json or process.json refused: see issues
  | 'USAGE' // command line refused: see flag
  | 'CONTAINER_NOT_FOUND'
  | 'CONTAINER_EXISTS'
  | 'CONTAINER_STATE' // the verb is not allowed in this state
  | 'EXEC_FAILED' // the executor reported a failed operation
  | 'HOST_UNSUPPORTED' // the host lacks something that was asked for
  | 'RECORD_CORRUPT' // a state directory cannot be read
  | 'IO'; // a host file could not be read or written

export interface ErrorDetails {
  readonly cause?: unknown;
  readonly hint?: string | undefined;
}

export class TsrunError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = details.hint;
  }
}

/** A document that does not say what the OCI spec asks for, with every problem found. */
export class SpecError extends TsrunError {
  readonly issues: readonly SpecIssue[];

  constructor(issues: readonly SpecIssue[], document = 'config.json') {
    const count = issues.length === 1 ? '1 problem' : `${issues.length} problems`;
    super('SPEC_INVALID', `${document}: ${count}`);
    this.issues = issues;
  }

  /** The first issue's path. */
  get path(): JsonPointer | undefined {
    return this.issues[0]?.path;
  }
}

/** A command line that cannot be carried out; flag is written as the user wrote it. */
export class UsageError extends TsrunError {
  readonly flag: string | undefined;

  constructor(message: string, flag?: string, hint?: string) {
    super('USAGE', message, { hint });
    this.flag = flag;
  }
}

/** An operation of the executor that failed, joined with the field that caused it. */
export class ExecError extends TsrunError {
  readonly path: JsonPointer;
  readonly op: string;
  readonly syscall: string;
  readonly errno: number;

  constructor(message: string, at: { path: JsonPointer; op: string; syscall: string; errno: number }, hint?: string) {
    super('EXEC_FAILED', message, { hint });
    this.path = at.path;
    this.op = at.op;
    this.syscall = at.syscall;
    this.errno = at.errno;
  }
}

/** A verb that the container's state does not allow, or a container that is not (or already) there. */
export class StateError extends TsrunError {
  readonly id: string;

  constructor(
    code: 'CONTAINER_NOT_FOUND' | 'CONTAINER_EXISTS' | 'CONTAINER_STATE',
    id: string,
    message: string,
    hint?: string,
  ) {
    super(code, message, { hint });
    this.id = id;
  }
}

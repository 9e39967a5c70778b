/**
 * The error classes of tsrun. The catalogue of their codes is schemas/errors.json, for people docs/errors.md.
 *
 * Libraries throw these; only cli, daemon and shim print, log or exit.
 * Pure.
 */
import type { ErrorCode, SpecIssueCode } from './util/error-codes.gen.js';
import type { JsonPointer } from './util/pointer.js';

export type { ErrorCode, SpecIssueCode } from './util/error-codes.gen.js';

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

export interface ErrorDetails {
  readonly cause?: unknown;
  readonly hint?: string | undefined;
}

/** The operation of the executor that an error is about. */
export interface FailedOperation {
  /** PROBLEM of schemas/plan.json. */
  readonly problem: string;
  /** The op, or the verb itself. */
  readonly op: string;
  readonly syscall: string;
  /** 0 where no system call was refused. */
  readonly errno: number;
  /** The field, or the flag, that asked for it; '' for neither. */
  readonly path: string;
}

export class TsrunError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Set where a verdict of the executor becomes an error. */
  operation: FailedOperation | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = details.hint;
    this.operation = undefined;
  }
}

/** A document that does not say what the OCI spec asks for, with every problem found. */
export class SpecError extends TsrunError {
  readonly issues: readonly SpecIssue[];
  /** What would have been let pass with a warning. */
  readonly warnings: readonly SpecIssue[];

  constructor(issues: readonly SpecIssue[], document = 'config.json', warnings: readonly SpecIssue[] = []) {
    const count = issues.length === 1 ? '1 problem' : `${issues.length} problems`;
    super('SPEC_INVALID', `${document}: ${count}`);
    this.issues = issues;
    this.warnings = warnings;
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

/** What a registry answered, or that it did not answer. */
export class RegistryError extends TsrunError {
  /** Of HTTP; 0 where there was no answer. */
  readonly status: number;

  constructor(
    code: 'REGISTRY_FAILED' | 'REGISTRY_DENIED' | 'REGISTRY_NOT_FOUND',
    message: string,
    details: ErrorDetails & { readonly status?: number } = {},
  ) {
    super(code, message, details);
    this.status = details.status ?? 0;
  }
}

/**
 * What a client is told when a request fails: a status and `{"message": …}`. Errors of the layers below have codes, which
 * become statuses here, in one table; routes that know dockerd's words for a refusal throw an ApiError with them, because
 * clients look for these words.
 *
 * Pure.
 */
import { type ErrorCode, SpecError, TsrunError } from '../../errors.js';
import { documentName, formatIssue } from '../../util/issue.js';
import { escapeControls } from '../../util/quote.js';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(message, options);
    this.name = 'ApiError';
  }
}

const of =
  (status: number) =>
  (message: string, cause?: unknown): ApiError =>
    new ApiError(status, message, cause === undefined ? {} : { cause });

export const badRequest = of(400);
export const forbidden = of(403);
export const notFound = of(404);
export const conflict = of(409);
export const notImplemented = of(501);
export const unavailable = of(503);
/** What dockerd says of a path that is none, and of a method that a path has not. */
export const pageNotFound = (): ApiError => notFound('page not found');

/** Codes that are not here are the daemon's own trouble: 500. */
const STATUS: { readonly [code in ErrorCode]?: number } = {
  REQUEST_INVALID: 400,
  SPEC_INVALID: 400,
  USAGE: 400,
  REFERENCE_INVALID: 400,
  DIGEST_INVALID: 400,
  IMAGE_INVALID: 400,
  LAYER_INVALID: 400,
  LAYER_LIMIT: 400,
  IMAGE_PLATFORM: 404,
  IMAGE_NOT_FOUND: 404,
  CONTAINER_NOT_FOUND: 404,
  SNAPSHOT_NOT_FOUND: 404,
  VOLUME_INVALID: 400,
  VOLUME_NOT_FOUND: 404,
  VOLUME_CONFLICT: 409,
  NETWORK_INVALID: 400,
  NETWORK_NOT_FOUND: 404,
  NETWORK_CONFLICT: 409,
  NETWORK_FORBIDDEN: 403,
  REGISTRY_NOT_FOUND: 404,
  REGISTRY_DENIED: 403, // 401 makes docker ask for a password, which is right for a login alone
  CONTAINER_EXISTS: 409,
  SNAPSHOT_EXISTS: 409,
  CONTAINER_STATE: 409,
  HOST_UNSUPPORTED: 501,
};

export interface Failure {
  readonly status: number;
  readonly message: string;
}

/** All that is wrong: the message of a SpecError only counts its problems. */
export function messageOf(error: TsrunError): string {
  if (!(error instanceof SpecError)) return error.message;
  const name = documentName(error.message);
  const told = error.issues.map((issue) => {
    const hint = issue.hint === undefined ? '' : ` (hint: ${issue.hint})`;
    return `${formatIssue(issue, name)}${hint}`;
  });
  return told.join('; ');
}

/** Any thrown value; undefined for what nobody foresaw, which is a bug and is logged. */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof ApiError) return { status: error.status, message: escapeControls(error.message) };
  if (error instanceof TsrunError) {
    const hint = error.hint === undefined ? '' : ` (hint: ${error.hint})`;
    return { status: STATUS[error.code] ?? 500, message: escapeControls(messageOf(error) + hint) };
  }
  if (error instanceof Error && 'syscall' in error) return { status: 500, message: escapeControls(error.message) };
  return undefined;
}

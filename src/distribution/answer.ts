/**
 * Answers of a registry: the error codes of distribution-spec with their statuses, in one table, and how anything is sent.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** distribution-spec "Error Codes": code-1 to code-14; the message is the one that the specification has. */
const CODES = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'manifest references a manifest or blob unknown to registry'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown to registry'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  SIZE_INVALID: [400, 'provided length did not match content length'],
  UNAUTHORIZED: [401, 'authentication required'],
  DENIED: [403, 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'the operation is unsupported'],
  TOOMANYREQUESTS: [429, 'too many requests'],
  /** Not of the specification, which has no code for what went wrong here: Docker's. A full disk has status 507. */
  UNKNOWN: [500, 'unknown error'],
} as const satisfies { readonly [code: string]: readonly [status: number, message: string] };

export type Code = keyof typeof CODES;
export type Headers = { readonly [name: string]: string | readonly string[] };

export interface Problem {
  readonly code: Code;
  readonly detail: unknown;
}

/** What ends a request; status and headers where they are not those of the code. */
export class HttpError extends Error {
  constructor(
    readonly problems: readonly Problem[],
    readonly options: { readonly status?: number; readonly headers?: Headers; readonly cause?: unknown } = {},
  ) {
    super(problems.map(({ code, detail }) => `${code}: ${String(detail)}`).join('; '), { cause: options.cause });
  }

  get status(): number {
    return this.options.status ?? CODES[this.problems[0]?.code ?? 'UNKNOWN'][0];
  }
}

/** detail: the reason, for people. */
export const refuse = (code: Code, detail: string, options: HttpError['options'] = {}): HttpError =>
  new HttpError([{ code, detail }], options);

export function send(response: ServerResponse, status: number, headers: Headers, body: Uint8Array | string = ''): void {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  const withLength = status === 204 || 'content-length' in headers ? {} : { 'content-length': String(length) };
  response.writeHead(status, { ...withLength, ...headers });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

export function sendJson(response: ServerResponse, value: unknown, headers: Headers = {}): void {
  send(response, 200, { 'content-type': 'application/json', ...headers }, JSON.stringify(value));
}

/** Where the head has gone out already only the connection can tell. */
export function sendError(response: ServerResponse, error: HttpError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const errors = error.problems.map(({ code, detail }) => ({ code, message: CODES[code][1], detail }));
  const headers = { 'content-type': 'application/json', ...error.options.headers };
  send(response, error.status, headers, JSON.stringify({ errors }));
}

/** At most so many bytes. Leaves the connection open: the answer is still to go over it. */
export async function* bodyOf(request: IncomingMessage, most = Number.POSITIVE_INFINITY): AsyncIterable<Buffer> {
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > most) throw refuse('SIZE_INVALID', `more than ${most} bytes came`);
    yield chunk;
  }
}

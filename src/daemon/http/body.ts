/** Bodies that are JSON: bounded in bytes and in time, of the right type, one document and nothing behind it. */
import type { IncomingHttpHeaders } from 'node:http';
import type { BodyReader } from '../api/read.js';
import { ApiError, badRequest } from './api-error.js';

/** The largest in the wild, a container with thousands of variables and labels, stays below one. */
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_MS = 30_000;
/** RFC 8259, 8.1: not to be added, and may be refused; dockerd does. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** An absent body is an empty object, as the fields of all are optional, unless it is needed. Throws ApiError 400, 408, 413. */
export async function readBody<T>(
  source: AsyncIterable<Uint8Array>,
  headers: IncomingHttpHeaders,
  read: BodyReader<T>,
  needed = false,
): Promise<T> {
  const announced = Number(headers['content-length'] ?? 0);
  if (announced > MOST_BYTES) throw tooLarge();
  const bytes = await inTime(collect(source));
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new ApiError(415, `unsupported Content-Encoding header (${encoding}): send the body as it is`);
  if (bytes.length === 0 && needed) throw badRequest('invalid JSON: got EOF while reading request body');
  if (bytes.length === 0) return read({});
  checkType(headers['content-type']);
  return read(parse(bytes));
}

const tooLarge = () => new ApiError(413, `the body has more than ${MOST_BYTES} bytes`);

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > MOST_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function inTime<T>(action: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiError(408, `the body did not come within ${MOST_MS / 1000} s`)), MOST_MS);
  });
  try {
    return await Promise.race([action, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function checkType(header: string | undefined): void {
  const type = (header ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return;
  throw badRequest(`unsupported Content-Type header (${header ?? ''}): must be 'application/json'`);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    const reason = bytes.subarray(0, 3).equals(MARK)
      ? 'it begins with a byte order mark'
      : error instanceof SyntaxError
        ? error.message
        : 'it is not UTF-8';
    throw badRequest(`invalid JSON: ${reason}`);
  }
}

/** What is to be read in answers that are no success: distribution-spec "Error codes", Retry-After, and bodies nobody wants. */
import { quote } from '../util/quote.js';
import { type HttpResponse, readBody } from './http.js';

const MAX_RETRY_AFTER_MS = 120_000;
const MAX_ERROR_BODY = 64 * 1024;

/** Reads the rest of an answer that nobody wants, if it is short, so that its connection can be used again. */
export async function discard({ body }: HttpResponse): Promise<void> {
  try {
    await readBody(body, MAX_ERROR_BODY);
  } catch {
    body.destroy();
  }
}

/** Milliseconds: RFC 9110 10.2.3. */
export function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined;
}

/** distribution-spec "Error codes". */
export async function errorText({ body }: HttpResponse): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readBody(body, MAX_ERROR_BODY);
  } catch {
    return '';
  }
  try {
    const { errors } = JSON.parse(bytes.toString('utf8')) as { errors: { code?: unknown; message?: unknown }[] };
    const texts = errors.map(({ code, message }) =>
      [code, message].filter((part) => typeof part === 'string').join(': '),
    );
    return texts.length > 0 ? `: ${quote(texts.join('; '), 300)}` : '';
  } catch {
    return bytes.length > 0 && bytes.length < 300 ? `: ${quote(bytes.toString('utf8').trim(), 300)}` : '';
  }
}

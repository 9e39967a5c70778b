/**
 * What the network says when there is no answer, in words, and whether it is worth another try.
 *
 * Pure.
 */
import { describeErrno, errnoOf } from '../util/errno.js';
import { quote } from '../util/quote.js';

export interface NetworkFailure {
  readonly reason: string;
  readonly hint: string | undefined;
  readonly again: boolean;
}

/** The other end went away, or something in between did. */
const PASSING = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
]);

const CA_HINT = "put the CA of the registry into /etc/docker/certs.d/HOST:PORT/ca.crt, or in the system's list";

const WORDS: { readonly [code: string]: readonly [reason: string, hint?: string] } = {
  ENOTFOUND: ['the name of its host is not known', 'is the name right? Does DNS work here?'],
  EAI_AGAIN: ['DNS does not answer'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['it does not speak TLS', '--plain-http, if it is known to speak plain HTTP'],
  EPROTO: ['it does not speak TLS', '--plain-http, if it is known to speak plain HTTP'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['its certificate is signed by itself', CA_HINT],
  SELF_SIGNED_CERT_IN_CHAIN: ['its certificate is signed by a CA that is not trusted here', CA_HINT],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['its certificate is signed by a CA that is not trusted here', CA_HINT],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['its certificate is signed by a CA that is not trusted here', CA_HINT],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'is the clock of this machine right?'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['its certificate is for another name'],
  ERR_SSL_UNSUPPORTED_PROTOCOL: ['it speaks no version of TLS from 1.2 on'],
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: ['it speaks no version of TLS from 1.2 on'],
};

/** Node puts several attempts at one host into an AggregateError. */
const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');

export function describeNetworkError(error: unknown): NetworkFailure {
  if (!(error instanceof Error)) return { reason: quote(String(error), 200), hint: undefined, again: false };
  const code = codeOf(error);
  const again = PASSING.has(code) || error.message === 'aborted' || error.message === 'socket hang up';
  const [words, hint] = WORDS[code] ?? [];
  if (words !== undefined) return { reason: words, hint, again };
  const errno = errnoOf(code);
  const said = code === 'ETIMEDOUT' && error.message.startsWith('nothing came') ? error.message : undefined;
  if (again)
    return {
      reason: said ?? (errno === undefined ? 'the connection broke off' : describeErrno(errno)),
      hint: undefined,
      again,
    };
  return { reason: errno === undefined ? quote(error.message, 200) : describeErrno(errno), hint: undefined, again };
}

/** A server that speaks plain HTTP answers a TLS handshake with text, which is no record of TLS. */
export function isNoTls(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'].includes(codeOf(error))) return true;
  return codeOf(error) === 'EPROTO' && /wrong version number|packet length too long/.test(error.message);
}

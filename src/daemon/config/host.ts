/**
 * Addresses of -H: where the daemon listens.
 *
 * Pure.
 */
import { UsageError } from '../../errors.js';
import { quote } from '../../util/quote.js';

export type Host =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Sockets that systemd listens on: all of them, or those of a name. */
  | { readonly kind: 'fd'; readonly name: string | undefined };

/** sun_path of unix(7), with its NUL. */
const MAX_PATH = 107;
const TLS_PORT = 2376;

/** Throws UsageError. */
export function parseHost(text: string): Host {
  const match = /^(unix|tcp|fd):\/\/(.*)$/s.exec(text);
  const rest = match?.[2] ?? '';
  switch (match?.[1]) {
    case 'unix':
      return unixHost(text, rest);
    case 'tcp':
      return tcpHost(text, rest);
    case 'fd':
      return { kind: 'fd', name: rest === '' || rest === '*' ? undefined : rest };
    default:
      throw refuse(text, 'is none of unix://PATH, tcp://HOST:PORT, fd://');
  }
}

function unixHost(text: string, path: string): Host {
  if (!path.startsWith('/') || path.includes('\0')) throw refuse(text, 'is not an absolute path');
  if (Buffer.byteLength(path) > MAX_PATH)
    throw refuse(text, `is longer than ${MAX_PATH} bytes, which a socket may not be`);
  return { kind: 'unix', path };
}

function tcpHost(text: string, address: string): Host {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/]*))(?::(\d{1,5}))?\/?$/.exec(address);
  const port = Number(match?.[3] ?? TLS_PORT);
  if (match === null || port > 65_535) throw refuse(text, 'is not tcp://HOST:PORT');
  return { kind: 'tcp', host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

const refuse = (text: string, reason: string): UsageError =>
  new UsageError(`--host: ${quote(text)} ${reason}`, '--host');

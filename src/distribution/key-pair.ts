/** The certificate of a server, looked at before anybody connects. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { TsrunError } from '../errors.js';

interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws TsrunError USAGE. */
export function checkKeyPair({ cert, key }: KeyPair): KeyPair {
  const certificate = parsed('--tls-cert', () => new X509Certificate(cert));
  const privateKey = parsed('--tls-key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new TsrunError('USAGE', '--tls-key: it is not the key of --tls-cert');
  return { cert, key };
}

function parsed<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TsrunError('USAGE', `${flag}: it cannot be read as PEM: ${reason}`, { cause: error });
  }
}

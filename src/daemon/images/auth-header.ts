/**
 * X-Registry-Auth: base64url of a JSON object. One that cannot be read is no error: the client may have none to give.
 *
 * Pure.
 */
import type { Credentials } from '../../registry/auth.js';
import { readAuthConfig } from '../api/read.js';
import type { AuthConfig } from '../api/types.gen.js';

const MOST = 64 * 1024;

export function credentialsOfHeader(header: string | readonly string[] | undefined): Credentials | undefined {
  const text = typeof header === 'string' ? header : header?.[0];
  if (text === undefined || text.length > MOST) return undefined;
  try {
    return credentialsOf(readAuthConfig(JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))));
  } catch {
    return undefined; // nor may a message show what is in it
  }
}

export function credentialsOf({ username, password, auth, identitytoken }: AuthConfig): Credentials | undefined {
  if (identitytoken) return { kind: 'identity-token', token: identitytoken };
  if (username && password) return { kind: 'password', username, password };
  const [user, ...rest] = Buffer.from(auth ?? '', 'base64')
    .toString('utf8')
    .split(':');
  return user && rest.length > 0 ? { kind: 'password', username: user, password: rest.join(':') } : undefined;
}

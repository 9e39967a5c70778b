/** The policy of the machine, or another, as what a pull asks before it keeps anything. */
import { existsSync } from 'node:fs';
import type { RegistryClient } from '../../registry/client.js';
import type { Reference } from '../../registry/reference.js';
import type { Digest } from '../../util/digest.js';

export type Admission = (client: RegistryClient, digests: readonly Digest[]) => Promise<void>;

/**
 * path: undefined for /etc/tsrun/policy.json. Returns undefined where nobody asks for signatures. Throws TsrunError for a
 * policy that cannot be read: no image comes in by a mistake in it.
 */
export async function openAdmission(reference: Reference, path: string | undefined): Promise<Admission | undefined> {
  const { POLICY_FILE, readPolicy } = await import('./policy.js');
  if (path === undefined && !existsSync(POLICY_FILE)) return undefined;
  const policy = readPolicy(path ?? POLICY_FILE);
  const { admit } = await import('./check.js');
  return (client, digests) => admit(policy, { client, reference, digests });
}

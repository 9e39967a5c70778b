/** What commands share that talk to a registry. */
import type { AccessOptions } from '../image/registry-access.js';
import type { Invocation } from './command.js';
import type { OptionTable, Values } from './options.js';

export const REGISTRY_OPTIONS = {
  'plain-http': { kind: 'flag', help: 'speak HTTP without TLS (on loopback it is tried by itself)' },
  'insecure-skip-verify': { kind: 'flag', help: 'do not check the certificate of the registry' },
  'certs-dir': {
    kind: 'list',
    help: 'folder of HOST[:PORT]/*.crt, *.cert, *.key, beside /etc/docker/certs.d; may be repeated',
  },
} as const satisfies OptionTable;

type Called = Pick<Invocation<OptionTable>, 'environment' | 'absolute' | 'runtime'> & {
  readonly options: Values<typeof REGISTRY_OPTIONS>;
};

export async function accessOptions({ environment, absolute, options, runtime }: Called): Promise<AccessOptions> {
  const { VERSION } = await import('./version.js');
  return {
    environment,
    plainHttp: options['plain-http'],
    insecure: options['insecure-skip-verify'],
    certsDirectories: options['certs-dir'].map(absolute),
    userAgent: `tsrun/${VERSION}`,
    debug: runtime.debug,
  };
}

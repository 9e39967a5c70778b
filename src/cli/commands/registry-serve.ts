/** `tsrun registry serve`: the store as a registry. */
import { UsageError } from '../../errors.js';
import { quote } from '../../util/quote.js';
import { defineCommand, type Invocation } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { accessOptions, REGISTRY_OPTIONS } from '../registry-options.js';

const OPTIONS = {
  listen: { kind: 'text', help: 'ADDRESS:PORT; port 0 is one that is free', shownDefault: '127.0.0.1:5000' },
  'tls-cert': { kind: 'text', help: 'certificate with its chain (PEM)' },
  'tls-key': { kind: 'text', help: 'key of the certificate (PEM)' },
  htpasswd: { kind: 'text', help: 'who may come in: a file made by htpasswd -B' },
  'cache-of': {
    kind: 'text',
    help: 'registry that is asked for what is not here, such as docker.io; nothing is pushed',
  },
  ...REGISTRY_OPTIONS,
  'plain-http': { kind: 'flag', help: 'listen without TLS for others than this machine; and speak so to --cache-of' },
  ...STORE_OPTIONS,
} as const;

type Called = Invocation<typeof OPTIONS>;

function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  if (port === undefined || number > 65535)
    throw new UsageError(`--listen: ${quote(text, 64)} is not ADDRESS:PORT`, '--listen', 'such as 127.0.0.1:5000');
  return { host: bracketed ?? (plain || '0.0.0.0'), port: number };
}

async function readTls({ options, absolute }: Called) {
  const { 'tls-cert': cert, 'tls-key': key } = options;
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError('--tls-cert and --tls-key belong together', cert === undefined ? '--tls-key' : '--tls-cert');
  if (cert === undefined || key === undefined) return undefined;
  const [{ readHostFile }, { checkKeyPair }] = await Promise.all([
    import('../../util/file.js'),
    import('../../distribution/key-pair.js'),
  ]);
  const read = (path: string, what: string) => readHostFile(absolute(path), what, { max: 1024 * 1024 });
  return checkKeyPair({ cert: read(cert, '--tls-cert'), key: read(key, '--tls-key') });
}

/** Names, passwords and images would be there for everybody to read and to change on the way. */
async function checkOpenness({ options, runtime }: Called, host: string): Promise<void> {
  const { isLoopback } = await import('../../registry/loopback.js');
  if (isLoopback(host)) return;
  if (options['tls-cert'] === undefined && !options['plain-http'])
    throw new UsageError(
      `--listen: ${quote(host)} is for others too, and there is no --tls-cert`,
      '--listen',
      'give --tls-cert and --tls-key, or --plain-http',
    );
  if (options.htpasswd === undefined)
    runtime.warn(`--listen: whoever reaches ${host} may push and delete: no --htpasswd`);
}

async function openCacheOf(invocation: Called) {
  const name = invocation.options['cache-of'];
  if (name === undefined) return undefined;
  const { isRegistry } = await import('../../registry/reference.js');
  if (!isRegistry(name))
    throw new UsageError(`--cache-of: ${quote(name, 256)} is not HOST[:PORT]`, '--cache-of', 'such as docker.io');
  const { openRegistry } = await import('../../image/registry-access.js');
  return openRegistry(name, await accessOptions(invocation));
}

/** SIGINT and SIGTERM end the service, not the requests that are at work. */
const toldToStop = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });

export const registryServe = defineCommand({
  name: 'registry serve',
  summary: 'be a registry: OCI distribution 1.1 on the store',
  usage: '',
  description: [
    'Serves what is pushed to it, from the store that images lie in, and shares their blobs; images of "tsrun image ls" are',
    'not served until they are pushed. Without --htpasswd everybody who reaches it may push and delete. With --cache-of it',
    'hands out what another registry has, keeps it, and serves that when the other one does not answer; it uses the',
    'credentials of "tsrun login", so that whoever reaches the cache sees what they open. Runs until SIGINT or SIGTERM.',
  ],
  examples: [
    '$ tsrun registry serve',
    '# tsrun registry serve --listen 0.0.0.0:443 --tls-cert c.pem --tls-key k.pem --htpasswd users',
    '$ tsrun registry serve --listen 127.0.0.1:5001 --cache-of docker.io',
  ],
  args: [0, 0],
  options: OPTIONS,
  async run(invocation) {
    const { options, runtime, absolute } = invocation;
    const listen = parseListen(options.listen ?? '127.0.0.1:5000');
    await checkOpenness(invocation, listen.host);
    const tls = await readTls(invocation);
    const [{ serveRegistry }, { Htpasswd }] = await Promise.all([
      import('../../distribution/server.js'),
      import('../../distribution/htpasswd.js'),
    ]);
    const { warn, debug } = runtime;
    const htpasswd = options.htpasswd === undefined ? undefined : new Htpasswd(absolute(options.htpasswd), warn);
    const store = await openImageStore(invocation);
    const cacheOf = await openCacheOf(invocation);
    const stop = toldToStop();
    const served = await serveRegistry({ store, listen, tls, htpasswd, cacheOf, warn, debug });
    print(`listening on ${served.url}\n`);
    await stop;
    await served.close();
    cacheOf?.close();
    return 0;
  },
});

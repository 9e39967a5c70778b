/** `tsrun image pull`: an image of a registry into the store. */
import { UsageError } from '../../errors.js';
import type { LayerState } from '../../image/pull.js';
import type { RegistryClient } from '../../registry/client.js';
import { quote } from '../../util/quote.js';
import { shortDigest } from '../../util/short-digest.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { openProgress } from '../progress.js';
import { accessOptions, REGISTRY_OPTIONS } from '../registry-options.js';

const STATES: { readonly [state in LayerState]: string } = {
  waiting: 'Waiting',
  exists: 'Already exists',
  fetching: 'Downloading',
  done: 'Download complete',
};

function mirrorUrl(text: string): URL {
  try {
    const url = new URL(text.includes('://') ? text : `https://${text}`);
    if (['http:', 'https:'].includes(url.protocol) && url.username === '') return url;
  } catch {
    // told below
  }
  throw new UsageError(`--mirror: ${quote(text)} is not the URL of a registry`, '--mirror');
}

export const imagePull = defineCommand({
  name: 'image pull',
  summary: 'get an image from a registry',
  usage: '<image>',
  description: [
    'Gets the image for this machine, or for --platform, into the store. A name without a registry is one of docker.io. Every',
    'byte is checked against its digest; what broke off is gone on with by the next pull. Credentials are those of "tsrun',
    'login" and "docker login". HTTP_PROXY, HTTPS_PROXY and NO_PROXY name proxies.',
  ],
  examples: ['# tsrun image pull busybox', '# tsrun image pull --platform linux/arm/v7 localhost:5000/app@sha256:…'],
  args: [1, 1],
  options: {
    platform: { kind: 'text', help: 'os/architecture/variant, for another machine than this one' },
    mirror: { kind: 'list', help: 'URL of a mirror of the registry, asked first; may be repeated' },
    quiet: { kind: 'flag', short: 'q', help: 'print only the name' },
    ...REGISTRY_OPTIONS,
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options, runtime } = invocation;
    const { familiarReference, parseReference, withDefaultTag } = await import('../../registry/reference.js');
    const { hostPlatform, parsePlatform } = await import('../../image/platform.js');
    const reference = withDefaultTag(parseReference(args[0] ?? ''));
    const platform = options.platform === undefined ? hostPlatform(process.arch) : parsePlatform(options.platform);
    const store = await openImageStore(invocation);
    const access = await accessOptions(invocation);
    const { openRegistry } = await import('../../image/registry-access.js');
    const { pullImage } = await import('../../image/pull.js');
    const clients: RegistryClient[] = [
      ...options.mirror.map((text) => openRegistry(reference.registry, access, mirrorUrl(text))),
      openRegistry(reference.registry, access),
    ];
    const progress = openProgress(options.quiet, STATES.fetching);
    try {
      progress.line(`${reference.tag ?? reference.digest}: Pulling from ${reference.repository}`);
      const { digest, upToDate } = await pullImage(store, {
        ...{ reference, platform, platformGiven: options.platform !== undefined, clients, warn: runtime.warn },
        progress: (layer, state, bytes, size) => progress.update(shortDigest(layer), STATES[state], bytes, size),
      });
      progress.finish();
      const name = familiarReference(reference);
      if (options.quiet) print(`${name}\n`);
      else
        print(
          `Digest: ${digest}\nStatus: ${upToDate ? 'Image is up to date' : 'Downloaded newer image'} for ${name}\n`,
        );
      return 0;
    } finally {
      for (const client of clients) client.close();
    }
  },
});

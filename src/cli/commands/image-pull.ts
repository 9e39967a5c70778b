/** `tsrun image pull`: an image of a registry into the store. */
import { UsageError } from '../../errors.js';
import { quote } from '../../util/quote.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { openProgress } from '../progress.js';
import { MOVING, pullReference } from '../pull.js';
import { REGISTRY_OPTIONS } from '../registry-options.js';

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
    policy: {
      kind: 'text',
      help: 'who must have signed what (containers-policy.json)',
      shownDefault: '/etc/tsrun/policy.json, if it is there',
    },
    quiet: { kind: 'flag', short: 'q', help: 'print only the name' },
    ...REGISTRY_OPTIONS,
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options, absolute } = invocation;
    const { familiarReference, parseReference, withDefaultTag } = await import('../../registry/reference.js');
    const { hostPlatform, parsePlatform } = await import('../../image/platform.js');
    const reference = withDefaultTag(parseReference(args[0] ?? ''));
    const platform = options.platform === undefined ? hostPlatform(process.arch) : parsePlatform(options.platform);
    const store = await openImageStore(invocation);
    const { digest, upToDate } = await pullReference(invocation, store, {
      ...{ reference, platform, platformGiven: options.platform !== undefined },
      mirrors: options.mirror.map(mirrorUrl),
      policy: options.policy === undefined ? undefined : absolute(options.policy),
      progress: openProgress(options.quiet, MOVING),
    });
    const name = familiarReference(reference);
    if (options.quiet) print(`${name}\n`);
    else
      print(`Digest: ${digest}\nStatus: ${upToDate ? 'Image is up to date' : 'Downloaded newer image'} for ${name}\n`);
    return 0;
  },
});

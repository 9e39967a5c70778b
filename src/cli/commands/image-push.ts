/** `tsrun image push`: an image of the store to a registry. */
import { shortDigest } from '../../util/short-digest.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { openProgress } from '../progress.js';
import { accessOptions, REGISTRY_OPTIONS } from '../registry-options.js';

const STATES = { sending: 'Pushing', exists: 'Layer already exists', mounted: 'Mounted', sent: 'Pushed' } as const;

export const imagePush = defineCommand({
  name: 'image push',
  summary: 'put an image into a registry',
  usage: '<image> [destination]',
  description: [
    'Sends the image to the registry and the repository of its name, or of the destination. Layers that the registry has',
    'are not sent; those that another repository of it has are mounted from there.',
  ],
  examples: [
    '# tsrun image push localhost:5000/app:1',
    '# tsrun image push busybox localhost:5000/mirror/busybox:latest',
  ],
  args: [1, 2],
  options: {
    quiet: { kind: 'flag', short: 'q', help: 'print only the name' },
    ...REGISTRY_OPTIONS,
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options } = invocation;
    const { familiarReference, parseReference, withDefaultTag } = await import('../../registry/reference.js');
    const [image = '', destination = image] = args;
    const reference = withDefaultTag(parseReference(destination));
    const store = await openImageStore(invocation);
    const stored = store.resolve(image);
    const { openRegistry } = await import('../../image/registry-access.js');
    const { pushImage } = await import('../../image/push.js');
    const client = openRegistry(reference.registry, await accessOptions(invocation));
    const progress = openProgress(options.quiet, STATES.sending);
    try {
      progress.line(`The push refers to repository [${reference.registry}/${reference.repository}]`);
      const { digest, size } = await pushImage(store, {
        ...{ stored, reference, client },
        progress: (layer, state, bytes, total) => progress.update(shortDigest(layer), STATES[state], bytes, total),
      });
      progress.finish();
      if (options.quiet) print(`${familiarReference(reference)}\n`);
      else print(`${reference.tag ?? digest}: digest: ${digest} size: ${size}\n`);
      return 0;
    } finally {
      client.close();
    }
  },
});

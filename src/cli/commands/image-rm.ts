/** `tsrun image rm`: names, and images that lose their last one. */
import { TsrunError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';

export const imageRm = defineCommand({
  name: 'image rm',
  summary: 'remove images, or names of them',
  usage: '<image> [image...]',
  description: [
    'A name goes, and with its last name the image. An id takes all names, with --force if there are several. Blobs that',
    'another image or a pull needs stay.',
  ],
  args: [1, 1000],
  userNamespace: true,
  options: {
    force: { kind: 'flag', short: 'f', help: 'remove all names of an id; a missing image is no failure' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options } = invocation;
    const store = await openImageStore(invocation);
    const { removeImage } = await import('../../image/remove.js');
    let failure: TsrunError | undefined;
    for (const text of args) {
      try {
        const { untagged, collected } = removeImage(store, text, options.force);
        print(
          [
            ...untagged.map((name) => `Untagged: ${name}\n`),
            ...collected.digests.map((digest) => `Deleted: ${digest}\n`),
          ].join(''),
        );
      } catch (error) {
        if (!(error instanceof TsrunError)) throw error;
        if (!(options.force && error.code === 'IMAGE_NOT_FOUND')) failure ??= error;
      }
    }
    const { pruneTrees } = await import('../../bundle/prune.js');
    await pruneTrees(invocation.runtime, store);
    if (failure !== undefined) throw failure;
    return 0;
  },
});

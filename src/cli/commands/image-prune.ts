/** `tsrun image prune`: images without a name, and what broken off pulls left. */
import { humanSize } from '../../util/human.js';
import { defineCommand } from '../command.js';
import { readFilters } from '../filters.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';

export const imagePrune = defineCommand({
  name: 'image prune',
  summary: 'remove images without a name',
  usage: '',
  description: [
    'Removes images whose name went to another one, with --all those with names too, and what broken off pulls have left.',
    'It asks nothing: --force is there because scripts for docker give it.',
  ],
  args: [0, 0],
  userNamespace: true,
  options: {
    all: { kind: 'flag', short: 'a', help: 'remove images with names too' },
    filter: { kind: 'list', help: 'only those with label=KEY[=VALUE]' },
    force: { kind: 'flag', short: 'f', help: 'has no effect' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { options } = invocation;
    const filters = readFilters(options.filter);
    const store = await openImageStore(invocation);
    const { pruneImages } = await import('../../image/remove.js');
    const { untagged, collected, unfinished } = pruneImages(
      store,
      (image) => (options.all || image.stored.name === undefined) && filters.every((fits) => fits(image)),
    );
    const { pruneTrees } = await import('../../bundle/prune.js');
    await pruneTrees(invocation.runtime, store);
    const lines = [
      ...untagged.map((name) => `untagged: ${name}`),
      ...collected.digests.map((digest) => `deleted: ${digest}`),
    ];
    if (lines.length > 0) print(`Deleted Images:\n${lines.join('\n')}\n\n`);
    print(`Total reclaimed space: ${humanSize(collected.size + unfinished)}\n`);
    return 0;
  },
});

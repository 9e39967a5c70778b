/** `tsrun image tag`: another name for an image. */
import { UsageError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';

export const imageTag = defineCommand({
  name: 'image tag',
  summary: 'give an image another name',
  usage: '<image> <name>',
  description: ['The image keeps the names it has. An image that had the new one stays without it.'],
  examples: ['# tsrun image tag busybox localhost:5000/busybox:test'],
  args: [2, 2],
  options: STORE_OPTIONS,
  async run(invocation) {
    const [source = '', target = ''] = invocation.args;
    const { formatReference, parseReference, withDefaultTag } = await import('../../registry/reference.js');
    const reference = withDefaultTag(parseReference(target));
    if (reference.digest !== undefined) throw new UsageError('image tag: a name cannot have a digest', 'NAME');
    const store = await openImageStore(invocation);
    const { name: _, ...image } = store.resolve(source);
    store.setName(formatReference(reference), image);
    return 0;
  },
});

/** `tsrun image load`: the images of an archive. */
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';

export const imageLoad = defineCommand({
  name: 'image load',
  summary: 'get images from a tar archive',
  usage: '',
  description: [
    'Reads what "tsrun image save", docker save, podman save or skopeo wrote: an OCI image layout or a docker-archive, as a',
    'tar that may be compressed with gzip or zstd. Every digest is checked.',
  ],
  examples: ['# tsrun image load -i box.tar', '# docker save busybox | tsrun image load'],
  args: [0, 0],
  options: {
    input: { kind: 'text', short: 'i', help: 'file to read', shownDefault: 'standard input' },
    quiet: { kind: 'flag', short: 'q', help: 'print nothing' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { options, absolute } = invocation;
    const store = await openImageStore(invocation);
    const { loadImages } = await import('../../image/load.js');
    const { configDigest } = await import('../../image/find.js');
    const images = await loadImages(store, options.input === undefined ? undefined : absolute(options.input));
    for (const image of options.quiet ? [] : images) {
      print(
        image.name === undefined ? `Loaded image ID: ${configDigest(store, image)}\n` : `Loaded image: ${image.name}\n`,
      );
    }
    return 0;
  },
});

/** `tsrun image import`: a tar of a tree becomes an image. */
import { createReadStream } from 'node:fs';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { fullName } from '../new-name.js';
import { print } from '../output.js';
import { openSnapshots } from '../snapshots.js';

export const imageImport = defineCommand({
  name: 'image import',
  summary: 'make an image of a tar',
  usage: '<file|-> [image]',
  description: [
    'Makes an image with one layer of the tar of a root file system, plain or compressed with gzip or zstd. Its config is',
    'empty: "tsrun image run" wants a command behind it. Prints the id.',
  ],
  examples: ['# debootstrap stable root && tar -C root -c . | tsrun image import - debian:mine'],
  args: [1, 2],
  userNamespace: true,
  options: {
    message: { kind: 'text', short: 'm', help: 'comment for the history' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options, absolute } = invocation;
    const [file = '', name] = args;
    const content = await openImageStore(invocation);
    const snapshots = await openSnapshots(content, undefined);
    const { makeImage } = await import('../../bundle/make-image.js');
    const { decompressed } = await import('../../image/decompress.js');
    const about = {
      name: await fullName(name),
      message: options.message ?? `Imported from ${file}`,
      author: '',
      created: new Date(),
      createdBy: 'tsrun image import',
    };
    const id = await content.withLease(async (lease) => {
      const source = file === '-' ? createReadStream('', { fd: 0 }) : createReadStream(absolute(file));
      const { digest } = await content.ingestNew(source); // as it came, so that it can be told what it is
      lease.protect(digest);
      const tar = decompressed(content.path(digest), () => undefined);
      return makeImage(content, snapshots.store, tar, undefined, about);
    });
    content.collectGarbage();
    print(`${id}\n`);
    return 0;
  },
});

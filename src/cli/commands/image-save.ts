/** `tsrun image save`: images as one archive. */
import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isatty } from 'node:tty';
import { TsrunError, UsageError } from '../../errors.js';
import { describeSystemError } from '../../util/errno.js';
import { quote } from '../../util/quote.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';

export const imageSave = defineCommand({
  name: 'image save',
  summary: 'write images to a tar archive',
  usage: '<image> [image...]',
  description: [
    'The archive is an OCI image layout and a docker-archive at once: tsrun image load, docker load, podman load, skopeo and',
    'ctr read it. The same images make the same bytes.',
  ],
  examples: ['# tsrun image save -o box.tar busybox', '# tsrun image save busybox | ssh host tsrun image load'],
  args: [1, 1000],
  options: {
    output: { kind: 'text', short: 'o', help: 'file to write', shownDefault: 'standard output' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options, absolute } = invocation;
    if (options.output === undefined && isatty(1))
      throw new UsageError(
        'an archive is not written to a terminal',
        '--output',
        'give --output, or send it to a program',
      );
    const store = await openImageStore(invocation);
    const { saveImages } = await import('../../image/save.js');
    const path = options.output === undefined ? undefined : absolute(options.output);
    const partial = path === undefined ? undefined : `${path}.part`;
    await store.withLease(async (lease) => {
      const images = args.map((text) => store.resolve(text));
      lease.protect(...images.map(({ manifest }) => manifest.digest));
      const tar = Readable.from(saveImages(store, images), { objectMode: false });
      try {
        await pipeline(
          tar,
          createWriteStream(partial ?? '', partial === undefined ? { fd: 1, autoClose: false } : { mode: 0o600 }),
        );
        if (partial !== undefined && path !== undefined) renameSync(partial, path);
      } catch (error) {
        if (partial !== undefined) rmSync(partial, { force: true });
        if (error instanceof TsrunError) throw error;
        throw new TsrunError('IO', `--output: ${quote(path ?? '-')}: ${describeSystemError(error)}`, { cause: error });
      }
    });
    return 0;
  },
});

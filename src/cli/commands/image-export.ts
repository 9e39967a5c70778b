/** `tsrun image export`: the files of a container or an image as tar. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { UsageError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { openSnapshots, SNAPSHOT_OPTIONS } from '../snapshots.js';

const STDOUT = 1;

export const imageExport = defineCommand({
  name: 'image export',
  summary: 'write the files of a container or an image as tar',
  usage: '<container-or-image>',
  description: [
    'Writes one tar of the whole tree, as "docker export" does: of a container that "tsrun image run" made, as it is now, or',
    'of an image. For the image itself, with its layers and config, there is "tsrun image save".',
  ],
  examples: ['# tsrun image export debian | tar -t', '# tsrun image export -o work.tar work'],
  args: [1, 1],
  userNamespace: true,
  options: {
    output: { kind: 'text', short: 'o', help: 'file to write to', shownDefault: 'standard output' },
    ...SNAPSHOT_OPTIONS,
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options, runtime, absolute } = invocation;
    const [name = ''] = args;
    if (options.output === undefined && isatty(STDOUT)) {
      throw new UsageError('a tar is not for a terminal', '--output', 'give --output, or redirect standard output');
    }
    const content = await openImageStore(invocation);
    const snapshots = await openSnapshots(content, options.snapshotter);
    const { findTree } = await import('../../bundle/find.js');
    const { exportTree } = await import('../../snapshot/trees.js');
    const { directories } = await findTree(content, snapshots, name, runtime.warn);
    const fd = options.output === undefined ? STDOUT : openSync(absolute(options.output), 'w', 0o600);
    for await (const piece of exportTree(directories, name)) {
      for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
    }
    if (fd !== STDOUT) closeSync(fd);
    return 0;
  },
});

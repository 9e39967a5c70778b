/** `tsrun image diff`: what one tree has that another has not. */
import type { Change } from '../../snapshot/changes.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { openSnapshots, SNAPSHOT_OPTIONS } from '../snapshots.js';

const LETTERS: { readonly [kind in Change['kind']]: string } = { added: 'A', changed: 'C', deleted: 'D' };

/** Names are bytes; what is not printable must not reach a terminal. */
const shown = (path: string): string =>
  Buffer.from(path, 'latin1')
    .toString('utf8')
    .replace(/[\x00-\x1f\x7f\ufffd]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

export const imageDiff = defineCommand({
  name: 'image diff',
  summary: 'list the files that two images or containers differ in',
  usage: '<container-or-image> [container-or-image]',
  description: [
    'Lists what was added (A), changed (C) and deleted (D): from the first to the second one; of a single container since it',
    'was made from its image; of a single image by its uppermost layer.',
  ],
  examples: ['# tsrun image diff work', '# tsrun image diff debian:11 debian:12'],
  args: [1, 2],
  userNamespace: true,
  options: { ...SNAPSHOT_OPTIONS, ...STORE_OPTIONS },
  async run(invocation) {
    const { args, options, runtime } = invocation;
    const content = await openImageStore(invocation);
    const snapshots = await openSnapshots(content, options.snapshotter);
    const { findTree } = await import('../../bundle/find.js');
    const { compareTrees } = await import('../../snapshot/trees.js');
    const [first = '', second] = args;
    const one = await findTree(content, snapshots, first, runtime.warn);
    const other = second === undefined ? undefined : await findTree(content, snapshots, second, runtime.warn);
    const [before, after] = other === undefined ? [one.below, one.directories] : [one.directories, other.directories];
    const changes = (await compareTrees(before, after)).filter(({ path }) => path !== '.');
    print(changes.map(({ kind, path }) => `${LETTERS[kind]} /${shown(path)}\n`).join(''));
    return 0;
  },
});

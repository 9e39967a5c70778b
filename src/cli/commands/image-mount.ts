/** `tsrun image mount`: an image's files on the host. */
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { openSnapshots, SNAPSHOT_OPTIONS } from '../snapshots.js';
import { isEntered } from '../user-namespace.js';

export const imageMount = defineCommand({
  name: 'image mount',
  summary: 'mount an image on the host, read-only',
  usage: '[image]',
  description: [
    'Unpacks the image, mounts it below the data root and prints where. Without an image it lists those that are mounted.',
    'Without root nobody else would see a mount: then it is a copy, of as many ids as the user has.',
    'Programs of a mounted image run with nothing around them: look, do not execute.',
  ],
  examples: ['# cat "$(tsrun image mount debian)/etc/os-release"', '# tsrun image umount debian'],
  args: [0, 1],
  userNamespace: true,
  options: { ...SNAPSHOT_OPTIONS, ...STORE_OPTIONS },
  async run(invocation) {
    const { args, options, runtime } = invocation;
    const content = await openImageStore(invocation);
    const copied = isEntered(invocation.environment);
    const snapshots = await openSnapshots(content, copied ? 'copy' : options.snapshotter);
    const { mountedImages, mountImage } = await import('../../bundle/mounted.js');
    const [name] = args;
    if (name !== undefined) print(`${await mountImage(content, snapshots, name, { copied, warn: runtime.warn })}\n`);
    else
      print(
        mountedImages(content, snapshots, copied)
          .map(({ record, path }) => `${record.image} ${path}\n`)
          .join(''),
      );
    return 0;
  },
});

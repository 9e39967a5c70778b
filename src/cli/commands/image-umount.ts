/** `tsrun image umount`: undoes `tsrun image mount`. */
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { openSnapshots } from '../snapshots.js';
import { isEntered } from '../user-namespace.js';

export const imageUmount = defineCommand({
  name: 'image umount',
  summary: 'unmount images',
  usage: '<image> [image...]',
  description: ['Unmounts images that "tsrun image mount" has mounted, by name, id or path.'],
  args: [1, 1000],
  userNamespace: true,
  options: STORE_OPTIONS,
  async run(invocation) {
    const content = await openImageStore(invocation);
    const snapshots = await openSnapshots(content, undefined);
    const { unmountImage } = await import('../../bundle/mounted.js');
    for (const name of invocation.args) await unmountImage(content, snapshots, name, isEntered(invocation.environment));
    return 0;
  },
});

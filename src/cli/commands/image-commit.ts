/** `tsrun image commit`: what a container changed becomes an image. */
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { fullName } from '../new-name.js';
import { print } from '../output.js';
import { openSnapshots } from '../snapshots.js';

export const imageCommit = defineCommand({
  name: 'image commit',
  summary: 'make an image of what a container changed',
  usage: '<container> [image]',
  description: [
    'Makes a layer of what a container of "tsrun image run" changed, and an image of it on the container\'s own. The config is',
    'that of the old image. Prints the id. Stop or pause the container first if it writes meanwhile.',
  ],
  examples: ['# tsrun image commit -m "with tools" work debian:tools'],
  args: [1, 2],
  userNamespace: true,
  options: {
    message: { kind: 'text', short: 'm', help: 'comment for the history' },
    author: { kind: 'text', short: 'a', help: 'who made it' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options } = invocation;
    const [container = '', name] = args;
    const content = await openImageStore(invocation);
    const snapshots = await openSnapshots(content, undefined);
    const record = snapshots.store.active(container);
    const { makeImage } = await import('../../bundle/make-image.js');
    const base = record.image === undefined ? undefined : content.resolve(record.image);
    const id = await makeImage(content, snapshots.store, snapshots.diff(container), base, {
      name: await fullName(name),
      message: options.message ?? '',
      author: options.author ?? '',
      created: new Date(),
      createdBy: `tsrun image commit ${container}`,
    });
    print(`${id}\n`);
    return 0;
  },
});

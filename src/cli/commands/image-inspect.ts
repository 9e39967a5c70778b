/** `tsrun image inspect`: all that is known of images, as docker prints it. */
import { TsrunError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { compileTemplate } from '../template.js';

export const imageInspect = defineCommand({
  name: 'image inspect',
  summary: 'show all that is known of images',
  usage: '<image> [image...]',
  description: [
    'Prints a JSON array with an object for each image, or each by a Go template, with the fields of docker.',
  ],
  examples: ["# tsrun image inspect --format '{{json .Config.Env}}' busybox"],
  args: [1, 1000],
  options: { format: { kind: 'text', short: 'f', help: 'json or a Go template' }, ...STORE_OPTIONS },
  async run(invocation) {
    const { args, options } = invocation;
    const template =
      options.format === undefined || options.format === 'json' ? undefined : compileTemplate(options.format);
    const store = await openImageStore(invocation);
    const { inspectImage } = await import('../../image/inspect.js');
    const found: object[] = [];
    let missing: TsrunError | undefined;
    for (const text of args) {
      try {
        found.push(inspectImage(store, store.resolve(text)));
      } catch (error) {
        if (!(error instanceof TsrunError)) throw error;
        missing ??= error; // the others are printed all the same, as docker does
      }
    }
    if (template !== undefined) print(found.map((image) => `${template(image)}\n`).join(''));
    else print(`${options.format === 'json' ? JSON.stringify(found) : JSON.stringify(found, null, 4)}\n`);
    if (missing !== undefined) throw missing;
    return 0;
  },
});

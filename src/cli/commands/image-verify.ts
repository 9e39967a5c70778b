/** `tsrun image verify`: every byte of images is read and hashed again. */
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';

export const imageVerify = defineCommand({
  name: 'image verify',
  summary: 'check the digests of everything that images are made of',
  usage: '[image...]',
  description: [
    'Hashes the blobs of the images, or of all, and the tars in their layers, and compares them with what manifests and',
    'configs say. Prints a line for each image; ends with exit status 1 if one is damaged.',
  ],
  args: [0, 1000],
  options: STORE_OPTIONS,
  async run(invocation) {
    const store = await openImageStore(invocation);
    const { verifyImage } = await import('../../image/verify.js');
    const { nameOf } = await import('../../image/image.js');
    const images = invocation.args.length > 0 ? invocation.args.map((text) => store.resolve(text)) : store.list();
    let damaged = false;
    for (const image of images) {
      const problems = await verifyImage(store, image);
      damaged ||= problems.length > 0;
      print(
        problems.length === 0
          ? `${nameOf(image)}: OK\n`
          : problems.map((problem) => `${nameOf(image)}: ${problem}\n`).join(''),
      );
    }
    return damaged ? 1 : 0;
  },
});

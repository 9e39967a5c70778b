/** `tsrun image verify`: every byte of images is read and hashed again; with keys, signatures are asked for too. */
import type { StoredImage } from '../../image/store.js';
import { isDigest } from '../../util/digest.js';
import { defineCommand, type Invocation } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { accessOptions, REGISTRY_OPTIONS } from '../registry-options.js';

const OPTIONS = {
  key: { kind: 'list', help: 'public key (PEM) that must have signed the images; may be repeated, one is enough' },
  policy: { kind: 'text', help: 'policy that must let the images in (containers-policy.json)' },
  ...REGISTRY_OPTIONS,
  ...STORE_OPTIONS,
} as const;

type Called = Invocation<typeof OPTIONS>;
/** Every problem, in words. */
type Check = (image: StoredImage) => Promise<string[]>;

/** Undefined where neither a key nor a policy is given. */
async function openSignatureCheck(invocation: Called): Promise<Check | undefined> {
  const { options, absolute } = invocation;
  if (options.key.length === 0 && options.policy === undefined) return undefined;
  const [{ admit, requireSignature }, { parseKey }, { readPolicy }, { readHostFile }] = await Promise.all([
    import('../../image/signature/check.js'),
    import('../../image/signature/payload.js'),
    import('../../image/signature/policy.js'),
    import('../../util/file.js'),
  ]);
  const { parseReference } = await import('../../registry/reference.js');
  const { openRegistry } = await import('../../image/registry-access.js');
  const { nameOf } = await import('../../image/image.js');
  const read = (path: string) => readHostFile(absolute(path), '--key', { max: 64 * 1024 });
  const keys = options.key.map((path) => parseKey(read(path), `--key ${path}`));
  const policy = options.policy === undefined ? undefined : readPolicy(absolute(options.policy));
  const access = await accessOptions(invocation);
  return async (image) => {
    const reference = parseReference(image.name ?? image.source ?? nameOf(image));
    const client = openRegistry(reference.registry, access);
    const source = image.source?.split('@')[1];
    const digests = [...new Set([...(isDigest(source) ? [source] : []), image.manifest.digest])];
    try {
      // The digest is what the key vouches for; the name is the policy's to judge.
      if (keys.length > 0) await requireSignature({ client, reference, digests }, keys, { type: 'matchRepository' });
      if (policy !== undefined) await admit(policy, { client, reference, digests });
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    } finally {
      client.close();
    }
  };
}

export const imageVerify = defineCommand({
  name: 'image verify',
  summary: 'check the digests, and the signatures, of what images are made of',
  usage: '[image...]',
  description: [
    'Hashes the blobs of the images, or of all, and the tars in their layers, and compares them with what manifests and',
    "configs say. With --key or --policy the registry is asked for signatures in cosign's format (simple signing, by key;",
    'keyless certificates are not supported). Prints a line for each image; ends with exit status 1 if one fails.',
  ],
  examples: ['# tsrun image verify --key cosign.pub registry.example/app:1'],
  args: [0, 1000],
  options: OPTIONS,
  async run(invocation) {
    const store = await openImageStore(invocation);
    const { verifyImage } = await import('../../image/verify.js');
    const { nameOf } = await import('../../image/image.js');
    const images = invocation.args.length > 0 ? invocation.args.map((text) => store.resolve(text)) : store.list();
    const checkSignatures = await openSignatureCheck(invocation);
    let damaged = false;
    for (const image of images) {
      const problems = await verifyImage(store, image);
      if (checkSignatures !== undefined) problems.push(...(await checkSignatures(image)));
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

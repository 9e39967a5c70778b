// image/signature/check: signatures made by openssl in cosign's format, on a registry, asked for when an image is pulled.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openStore } from '../../../src/image/disk-store.js';
import { pullImage } from '../../../src/image/pull.js';
import { admit } from '../../../src/image/signature/check.js';
import { parsePolicy } from '../../../src/image/signature/policy.js';
import { parseReference } from '../../../src/registry/reference.js';
import { digestOf } from '../../../src/util/digest.js';
import { serving } from '../../distribution/serving.js';
import { clientOf } from '../../registry/fake.js';
import { json, makeImage } from '../making.js';
import { attach, type Key, makeKey, payloadOf } from './signing.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const signedBy = (keys: readonly Key[], identity: object = { type: 'matchRepository' }) => ({
  type: 'sigstoreSigned',
  keyDatas: keys.map(({ publicKey }) => base64(publicKey)),
  signedIdentity: identity,
});

async function published(t: Test) {
  const root = t.testdir({ served: {}, store: {}, keys: {} });
  const served = await serving(t, { store: openStore(join(root, 'served')) });
  const image = makeImage();
  for (const [digest, bytes] of image.blobs) if (digest !== image.manifest.digest) await served.pushBlob('app', bytes);
  await served.pushManifest('app', 'v1', image.blobs.get(image.manifest.digest) ?? Buffer.alloc(0));
  const store = openStore(join(root, 'store'));
  const pull = async (...requirements: readonly object[]) => {
    const policy = parsePolicy(json({ default: requirements }), 'policy.json');
    const client = clientOf(t, served.host, { stallMs: 20_000 });
    const reference = parseReference(`${served.host}/app:v1`);
    const { stored } = await pullImage(store, {
      ...{ reference, platform: { os: 'linux', architecture: 'amd64' }, platformGiven: false, clients: [client] },
      ...{ warn: () => undefined, progress: () => undefined },
      admit: (client, digests) => admit(policy, { client, reference, digests }),
    });
    return stored.name;
  };
  return { served, image: image.manifest, name: `${served.host}/app`, store, pull, directory: join(root, 'keys') };
}

for (const kind of ['ecdsa', 'rsa', 'ed25519'] as const) {
  for (const how of ['tag', 'referrer'] as const) {
    t.test(`a signature lets the image in: ${kind}, as a ${how}`, async (t) => {
      const { served, image, name, store, pull, directory } = await published(t);
      const [key, other] = [makeKey(directory, kind), makeKey(directory, kind, 'other')];
      await t.rejects(pull(signedBy([key])), {
        code: 'SIGNATURE_REFUSED',
        message: /v1": no signature .*: there is none/,
      });
      t.strictSame(store.list(), [], 'nothing is stored');
      const payload = payloadOf(image.digest, name);
      await attach(served, 'app', image, [{ payload, signature: key.sign(payload) }], how);
      t.equal(await pull(signedBy([key])), `${name}:v1`);
      t.equal(await pull(signedBy([other, key])), `${name}:v1`, 'one of several keys');
      await t.rejects(pull(signedBy([other])), { code: 'SIGNATURE_REFUSED', message: /not by any of the keys/ });
      await t.rejects(
        pull(signedBy([key]), signedBy([other])),
        { code: 'SIGNATURE_REFUSED' },
        'every requirement counts',
      );
    });
  }
}

t.test('a signature counts for the digest, the name and the kind of thing that it was made for', async (t) => {
  const { served, image, name, pull, directory } = await published(t);
  const key = makeKey(directory, 'ecdsa');
  const elsewhere = digestOf(Buffer.from('another image'));
  const put = (payload: Buffer, signature = key.sign(payload)) =>
    attach(served, 'app', image, [{ payload, signature }]);
  const right = payloadOf(image.digest, name);
  for (const [reason, payload, signature] of [
    [`one is for ${elsewhere}`, payloadOf(elsewhere, name), undefined],
    ['one is for the name', payloadOf(image.digest, 'registry.example/other'), undefined],
    ['one is not for an image', payloadOf(image.digest, name, 'something else'), undefined],
    ['one is not for an image', Buffer.from('{}'), undefined],
    ['not by any of the keys', payloadOf(image.digest, `${name}x`), key.sign(right)],
    ['not by any of the keys', right, Buffer.alloc(0)],
    ['not by any of the keys', right, key.sign(right).subarray(1)],
  ] as const) {
    await put(payload, signature);
    await t.rejects(pull(signedBy([key])), { code: 'SIGNATURE_REFUSED', message: new RegExp(reason) });
  }
  await put(right);
  t.ok(await pull(signedBy([key])));
  await t.rejects(
    pull(signedBy([key], { type: 'matchRepoDigestOrExact' })),
    /is for the name/,
    'the tag is not signed',
  );
  t.ok(await pull(signedBy([key], { type: 'exactRepository', dockerRepository: name })));
  await t.rejects(pull(signedBy([key], { type: 'exactRepository', dockerRepository: 'a.b/c' })));
  await put(payloadOf(image.digest, `${name}:v1`));
  for (const type of ['matchRepoDigestOrExact', 'matchExact']) t.ok(await pull(signedBy([key], { type })));
  await t.rejects(pull({ type: 'reject' }), { code: 'SIGNATURE_REFUSED', message: /rejects it/ });
  t.ok(await pull({ type: 'insecureAcceptAnything' }));
});

// What the adapters make of the output of outside suites, each in the words that suite really prints. No suite is run.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readJunit } from './critest.js';
import { parseSuite, runSuiteOfOthers } from './index.js';
import { imageOf } from './podman.js';
import { answersFor, type Blob, serveImage } from './podman-image.js';
import { readTap, resultsOf } from './tap.js';

const ended = { status: 0, stderr: '', timedOut: false };

t.test('readTap reads points of runtime-tools, bats and crun, with what failed', async (t) => {
  const text = `TAP version 13
ok 1 - has expected hostname
  ---
  { "actual": "a" }
  ...
not ok 2 - has a file
  ---
  {
    "path": "/dev/null"
  }
  ...
ok 3 # SKIP linux.devices is not set
ok 4 runc create # skip test requires rootless
not ok 5 runc delete
# (in test file delete.bats, line 7)
#   status = 1
ok 6 - simple #SKIP
1..6
`;
  t.strictSame(readTap(text), [
    { name: 'has expected hostname', status: 'passed', detail: '' },
    { name: 'has a file', status: 'failed', detail: '"path": "/dev/null"' },
    { name: 'linux.devices is not set', status: 'skipped', detail: 'linux.devices is not set' },
    { name: 'runc create', status: 'skipped', detail: 'test requires rootless' },
    { name: 'runc delete', status: 'failed', detail: '(in test file delete.bats, line 7) status = 1' },
    { name: 'simple', status: 'skipped', detail: 'SKIP' },
  ]);
});

t.test('readTap keeps both ends of a long diagnostic: the place, and what was found there', async (t) => {
  const text = `not ok 1 a\n# (in test file a.bats, line 7)\n${'# and so on\n'.repeat(1000)}# actual: 5\nok 2 b\n`;
  const [first] = readTap(text);
  t.match(first?.detail, /^\(in test file a\.bats, line 7\) .* … .* actual: 5$/);
  t.equal(first?.detail.length, 1003);
});

t.test('resultsOf tells points of one name apart, and a program that ends before its time', async (t) => {
  const ids = (stdout: string, more = {}) =>
    resultsOf('start', { ...ended, ...more, stdout }).map(({ id, status }) => `${status} ${id}`);
  t.strictSame(ids('1..2\nok 1 - a\nok 2 - a\n'), ['passed start: a', 'passed start: a (2)']);
  t.strictSame(ids('1..3\nok 1 - a\n'), ['passed start: a', 'failed start: ends']);
  t.strictSame(ids('ok 1 - a\n1..1\n', { status: 1 }), ['passed start: a', 'failed start: ends']);
  t.strictSame(ids('not ok 1 - a\n1..1\n', { status: 1 }), ['failed start: a']);
  t.strictSame(ids('', { timedOut: true, status: 124 }), ['failed start: ends']);
  t.strictSame(ids(''), ['failed start: ends']);
});

t.test('readJunit reads the report of a Ginkgo suite such as critest', async (t) => {
  const text = `<testsuites><testsuite name="CRI validation" tests="3">
  <testcase name="[It] [k8s.io] Container &amp; logs" classname="x" time="0.1"></testcase>
  <testcase name="[It] exec"><failure message="Expected&#xA;&lt;int&gt;: 1" type="failed">at a.go:7</failure></testcase>
  <testcase name="[It] apparmor"><skipped message="skipped - no AppArmor"></skipped></testcase>
</testsuite></testsuites>`;
  t.strictSame(
    readJunit(text).map(({ id, status, detail }) => [id, status, detail]),
    [
      ['[It] [k8s.io] Container & logs', 'passed', ''],
      ['[It] exec', 'failed', 'Expected\n<int>: 1'],
      ['[It] apparmor', 'skipped', 'skipped - no AppArmor'],
    ],
  );
});

t.test('parseSuite says what is wrong with --suite', async (t) => {
  t.match(parseSuite('nothing=/tmp'), "'nothing' is none of runtime-tools, ");
  t.match(parseSuite('runc-bats'), 'runc-bats needs its path');
  t.match(parseSuite('runc-bats=/nowhere'), '/nowhere does not exist: runc-bats wants the directory');
  t.match(parseSuite('critest=/tmp'), { place: '/tmp' });
});

t.test('runSuiteOfOthers runs the programs that are wanted, with the runtime in RUNTIME', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'tsrun-suite-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const request = parseSuite(`runtime-tools=${place}`);
  if (typeof request === 'string') throw new Error(request);
  const options = { runtime: '/bin/true', wants: (name: string) => name === 'kill', timeout: 20 };
  await t.rejects(runSuiteOfOthers(request, options), /runtimetest is not there: make runtimetest/);
  writeFileSync(join(place, 'runtimetest'), '');
  for (const name of ['kill', 'other']) {
    mkdirSync(join(place, 'validation', name), { recursive: true });
    const script =
      '#!/bin/sh\necho "ok 1 - $RUNTIME"; [ -e runtimetest ] && echo "not ok 2 - here"; echo 1..2; exit 1\n';
    writeFileSync(join(place, 'validation', name, `${name}.t`), script, { mode: 0o755 });
  }
  const results = await runSuiteOfOthers(request, options);
  t.strictSame(
    results.map(({ id, status }) => [id, status]),
    [
      ['kill: /bin/true', 'passed'],
      ['kill: here', 'failed'],
    ],
  );
});

const HELPERS = `PODMAN_TEST_IMAGE_REGISTRY=\${PODMAN_TEST_IMAGE_REGISTRY:-"quay.io"}
PODMAN_TEST_IMAGE_USER=\${PODMAN_TEST_IMAGE_USER:-"libpod"}
PODMAN_TEST_IMAGE_NAME=\${PODMAN_TEST_IMAGE_NAME:-"testimage"}
PODMAN_TEST_IMAGE_TAG=\${PODMAN_TEST_IMAGE_TAG:-"20220615"}
PODMAN_NONLOCAL_IMAGE_TAG=\${PODMAN_NONLOCAL_IMAGE_TAG:-"00000004"}
`;
const TEST_IMAGE = { name: 'libpod/testimage', tag: '20220615', otherTag: '00000004' };

t.test('imageOf finds the image in the helpers of Podman, and says what they lack', async (t) => {
  t.strictSame(imageOf(HELPERS), TEST_IMAGE);
  t.throws(() => imageOf(HELPERS.replace(/^PODMAN_TEST_IMAGE_TAG.*$/m, '')), /has no PODMAN_TEST_IMAGE_TAG/);
});

t.test(
  'serveImage has two images of the same layers, each by tag and digest, whose digests are those of the bytes',
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'tsrun-suite-'));
    const socketPath = join(dir, 'registry');
    const server = await serveImage(answersFor(TEST_IMAGE, Buffer.from('a layer')), socketPath);
    t.teardown(() => {
      server.close();
      rmSync(dir, { recursive: true, force: true });
    });
    const ask = (path: string): Promise<Pick<Blob, 'type' | 'bytes'> & { readonly status: number | undefined }> =>
      new Promise((resolve, reject) => {
        get({ socketPath, path }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          const answer = () => ({ type: response.headers['content-type'] ?? '', bytes: Buffer.concat(chunks) });
          response.on('end', () => resolve({ ...answer(), status: response.statusCode }));
        }).on('error', reject);
      });
    const manifests = [];
    for (const tag of ['20220615', '00000004']) {
      const manifest = await ask(`/v2/libpod/testimage/manifests/${tag}`);
      const { mediaType, config, layers } = JSON.parse(manifest.bytes.toString());
      t.equal(mediaType, manifest.type);
      const digest = `sha256:${createHash('sha256').update(manifest.bytes).digest('hex')}`;
      t.strictSame(await ask(`/v2/libpod/testimage/manifests/${digest}`), manifest);
      for (const one of [config, ...layers]) {
        const { type, bytes } = await ask(`/v2/libpod/testimage/blobs/${one.digest}`);
        const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
        t.strictSame({ mediaType: type, digest: found, size: bytes.length }, one);
      }
      const { rootfs } = JSON.parse((await ask(`/v2/libpod/testimage/blobs/${config.digest}`)).bytes.toString());
      const digests = layers.map(({ digest: one }: { readonly digest: string }) => one);
      t.strictSame(rootfs.diff_ids, digests, 'no layer is compressed');
      manifests.push(digest);
    }
    t.not(manifests[0], manifests[1]);
    t.equal((await ask('/v2/')).status, 200);
    t.equal((await ask('/v2/library/other/manifests/latest')).status, 404);
  },
);

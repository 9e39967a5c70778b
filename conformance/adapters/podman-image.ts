/**
 * The image of Podman's tests, which they pull again whenever it is gone: made of busybox, with the names, texts and files that
 * tests look for in quay.io/libpod/testimage, and served as a registry does, since the network of a run reaches nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { ARCHITECTURE, makeTree, packTree } from './tree.js';

/** helpers.bash of each version names its own: PODMAN_TEST_IMAGE_TAG. */
export interface TestImage {
  /** "libpod/testimage". */
  readonly name: string;
  readonly tag: string;
  /** The one that is not to be there when a test begins. */
  readonly otherTag: string;
}

export interface Blob {
  readonly type: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

const OCI = 'application/vnd.oci.image';
/** The tests set a clock by it: 13 September 2020. */
const WELL_KNOWN_TIME = 1600000000;

const FILES: { readonly [path: string]: string } = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/ash\nbin:x:1:1:bin:/bin:/sbin/nologin\ndaemon:x:2:2:daemon:/sbin:/sbin/nologin\n' +
    'mail:x:8:12:mail:/var/mail:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n',
  'etc/group': 'root:x:0:root\nbin:x:1:root,bin,daemon\ndaemon:x:2:root,bin,daemon\nmail:x:12:mail\nnobody:x:65534:\n',
  'etc/alpine-release': '3.16.0\n',
  'etc/hosts': '127.0.0.1\tlocalhost localhost.localdomain\n',
  'etc/issue': 'Welcome to a root file system of busybox\n',
  'etc/services': 'http 80/tcp\n',
  'etc/os-release': 'NAME="busybox"\nID=busybox\n',
  'home/podman/pause': '#!/bin/sh\necho Confirmed: testimage pause invoked as $0\nwhile :; do sleep 0.1; done\n',
};

/** What a test of Podman calls and Debian's busybox has not. */
const PROGRAMS = ['printenv'];

/** An uncompressed layer. */
export function makeLayer(dir: string, { tag }: TestImage): Buffer {
  const tree = join(dir, 'image');
  for (const name of ['home/podman', 'media', 'mnt', 'opt', 'run', 'srv', 'lib', 'var/tmp'])
    mkdirSync(join(tree, name), { recursive: true });
  makeTree(tree, PROGRAMS);
  symlinkSync('busybox', join(tree, 'bin/busybox-extras'));
  if (!existsSync(join(tree, 'bin/printenv'))) symlinkSync('../usr/bin/printenv', join(tree, 'bin/printenv'));
  symlinkSync('../proc/mounts', join(tree, 'etc/mtab'));
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(tree, path), text, { mode: 0o755 });
  const id = join(tree, 'home/podman/testimage-id');
  writeFileSync(id, `${tag}\n`);
  utimesSync(id, WELL_KNOWN_TIME, WELL_KNOWN_TIME);
  packTree(tree, `${tree}.tar`);
  return readFileSync(`${tree}.tar`);
}

/** An archive without files: tests look for the top layer of an image that has more than one. */
const NOTHING = Buffer.alloc(1024);

/** What a registry answers, by the path that is asked for. Pure. */
export function answersFor({ name, tag, otherTag }: TestImage, layer: Buffer): ReadonlyMap<string, Blob> {
  const answers = new Map<string, Blob>();
  const layers = [layer, NOTHING].map((bytes) => blob(`${OCI}.layer.v1.tar`, bytes));
  for (const [as, labels] of [[tag, {}] as const, [otherTag, { other: 'yes' }] as const]) {
    const config = json(`${OCI}.config.v1+json`, configOf(layers, labels));
    const manifest = json(`${OCI}.manifest.v1+json`, {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: descriptor(config),
      layers: layers.map(descriptor),
    });
    for (const reference of [as, manifest.digest]) answers.set(`/v2/${name}/manifests/${reference}`, manifest);
    for (const one of [config, ...layers]) answers.set(`/v2/${name}/blobs/${one.digest}`, one);
  }
  return answers;
}

function configOf(layers: readonly Blob[], labels: { readonly [key: string]: string }): object {
  const created = '2022-06-15T00:00:00Z';
  return {
    created,
    architecture: ARCHITECTURE,
    os: 'linux',
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Cmd: ['/bin/echo', 'This container is intended for podman CI testing'],
      WorkingDir: '/home/podman',
      Labels: { created_at: created, created_by: 'test/system/build-testimage', ...labels },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    history: layers.map(() => ({ created, created_by: '/bin/sh -c #(nop) CMD | LABEL' })),
  };
}

function blob(type: string, bytes: Buffer): Blob {
  return { type, bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

const json = (type: string, value: object): Blob => blob(type, Buffer.from(JSON.stringify(value)));

const descriptor = ({ type, digest, bytes }: Blob): object => ({ mediaType: type, digest, size: bytes.length });

/** On a Unix socket. */
export async function serveImage(answers: ReadonlyMap<string, Blob>, socket: string): Promise<Server> {
  const server = createServer(({ url = '', method }, response) => {
    const found = url === '/v2/' ? json('application/json', {}) : answers.get(url);
    const { type, digest, bytes } = found ?? json('application/json', { errors: [{ code: 'NAME_UNKNOWN' }] });
    const headers = { 'content-type': type, 'docker-content-digest': digest, 'content-length': bytes.length };
    response.writeHead(found === undefined ? 404 : 200, headers);
    response.end(method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve));
  return server;
}

// Layers for tests: made by GNU tar from a script, or entry by entry, so that an entry can be as hostile as it likes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Test } from 'tap';
import type { LayerSource } from '../../src/snapshot/layers.js';
import type { Digest } from '../../src/util/digest.js';
import type { TarEntry } from '../../src/util/tar/entry.js';
import { TAR_END, tarHeader, tarPadding } from '../../src/util/tar/writer.js';
import { inUserNamespace } from '../../src/util/user-namespace.js';

/** A directory of the test, removed with what is mounted in it. */
export function scratch(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'tsrun-layers-'));
  t.teardown(() => {
    spawnSync('sh', ['-c', `grep -o '${path}[^ ]*' /proc/self/mountinfo | sort -ru | xargs -r -n1 umount -l`]);
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export function sh(script: string, cwd: string): string {
  const result = spawnSync('bash', ['-euc', script], { cwd, encoding: 'latin1', maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(`${script}: ${result.stderr}`);
  return result.stdout;
}

const sha256 = (bytes: Buffer): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;

export type Packing = 'none' | 'gzip' | 'zstd';

/** Writes a tar as a blob. */
export function blobOf(directory: string, tar: Buffer, packing: Packing = 'none'): LayerSource {
  const bytes = packing === 'gzip' ? gzipSync(tar) : packing === 'zstd' ? zstd(tar) : tar;
  const digest = sha256(bytes);
  const blob = join(directory, digest.slice(7));
  writeFileSync(blob, bytes);
  return { digest, diffId: sha256(tar), blob };
}

function zstd(bytes: Buffer): Buffer {
  const result = spawnSync('zstd', ['-q', '-c'], { input: bytes, maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error('zstd failed');
  return result.stdout;
}

/** What the script makes in an empty directory, by GNU tar. */
export function treeTar(directory: string, script: string, options = ''): Buffer {
  const tree = mkdtempSync(join(directory, 'tree-'));
  mkdirSync(join(tree, 't'));
  sh(script, join(tree, 't'));
  const flags = `--format=pax --sort=name --numeric-owner --xattrs --xattrs-include='*' --sparse ${options}`;
  const result = spawnSync('bash', ['-c', `tar -C t ${flags} -cf - .`], { cwd: tree, maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(result.stderr.toString());
  return result.stdout;
}

export type Item = Partial<Omit<TarEntry, 'xattrs'>> & {
  readonly name: string;
  readonly data?: string;
  readonly xattrs?: { readonly [name: string]: Buffer | string };
};

/** Entries exactly as they are given. */
export function itemsTar(items: readonly Item[]): Buffer {
  const parts = items.map(({ data = '', xattrs = {}, ...item }) => {
    const body = Buffer.from(data);
    const header = tarHeader({
      kind: 'file',
      link: '',
      mode: item.kind === 'directory' ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      major: 0,
      minor: 0,
      mtime: { seconds: 1_000_000_000, nanoseconds: 0 },
      ...item,
      size: body.length,
      xattrs: new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value)])),
    });
    return Buffer.concat([header, body, tarPadding(body.length)]);
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** One line for each file of a tree: kind, mode, owner, size, time, device, links, attributes, content. */
export function describeTree(path: string): string[] {
  const script = `
import os, stat, hashlib, sys
os.chdir(sys.argv[1])
seen = {}
def one(p):
    s = os.lstat(p)
    k = stat.S_IFMT(s.st_mode)
    out = [p, oct(s.st_mode), s.st_uid, s.st_gid, '%d.%09d' % (s.st_mtime_ns // 10**9, s.st_mtime_ns % 10**9)]
    if k == stat.S_IFLNK: out.append(os.readlink(p))
    if k in (stat.S_IFCHR, stat.S_IFBLK): out.append('%d:%d' % (os.major(s.st_rdev), os.minor(s.st_rdev)))
    if k == stat.S_IFREG:
        out += [s.st_size, hashlib.sha256(open(p, 'rb').read()).hexdigest()[:16], seen.setdefault((s.st_dev, s.st_ino), p)]
    if k in (stat.S_IFREG, stat.S_IFDIR):
        out.append(sorted((n, os.getxattr(p, n).hex()) for n in os.listxattr(p) if 'overlay' not in n))
    print(repr(out))
    if k == stat.S_IFDIR:
        for n in sorted(os.listdir(p)): one(p + b'/' + n)
one(b'.')
`;
  const result = spawnSync('python3', ['-c', script, path], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(result.stderr);
  return result.stdout.trimEnd().split('\n');
}

/** In a user namespace nobody makes a device, and there are as many ids as were granted. */
const NODES = inUserNamespace() ? ':' : 'mknod char c 1 3; mknod block b 7 0; chmod 600 block';
const OWNER = inUserNamespace() ? '40000:50000' : '4000000:3000000000';

/** Every kind of file there is. */
export const ZOO = `
umask 022
mkdir dir sticky deep; chmod 1777 sticky
printf 'text\\n' > dir/file; chmod 4755 dir/file; ln dir/file dir/other; ln -s ../dir/file deep/link
chown 1000:2000 dir/file
printf '#!/bin/sh\\n' > caps; chmod 755 caps; setcap cap_net_raw+ep caps
printf x > attr; setfattr -n user.note -v 'a value' attr; setfattr -n user.dir -v d dir
mkfifo fifo; ${NODES}
truncate -s 10M sparse; printf middle | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
printf late | dd of=sparse bs=1 seek=9000000 conv=notrunc status=none
long=$(printf 'n%.0s' $(seq 200)); mkdir -p deep/$long/$long; printf l > deep/$long/$long/$long
printf b > $'latin-\\xe9-\\xff'; mkdir $'dir-\\xfe'; printf 'sp' > 'name with blank'; ln -s $'latin-\\xe9-\\xff' to-latin
printf big > owner; chown ${OWNER} owner
: > empty; printf old > old; touch -d '1969-12-31 12:00:00.5 UTC' old; touch -h -d '2001-02-03 04:05:06.789' to-latin
touch -d '2010-01-01 00:00:00.25 UTC' dir deep; touch -d '1999-01-01' .
`;

/** A root file system of what the host has, where a suite would download one. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Go's words for what uname says. */
const ARCHITECTURES: { readonly [machine: string]: string } = {
  x64: 'amd64',
  arm64: 'arm64',
  ppc64: 'ppc64le',
  s390x: 's390x',
};
export const ARCHITECTURE = ARCHITECTURES[process.arch] ?? process.arch;

const DIRECTORIES = ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'etc', 'root', 'dev', 'proc', 'sys', 'tmp', 'var', 'home'];

const FILES = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
};

/** busybox(1) under all its names. */
const BUSYBOX = 'cp "$(command -v busybox)" "$1/bin/busybox" && "$1/bin/busybox" --install "$1/bin"';

/** The host's program and the libraries that ldd(1) names, at the same places. */
const COPY =
  'p=$(command -v "$2") && { echo "$p"; ldd "$p" | grep -o "/[^ ]*"; } | xargs cp --parents --dereference -t "$1"';

/** busybox, and programs that it has not, or not so. */
export function makeTree(tree: string, programs: readonly string[] = []): void {
  for (const name of DIRECTORIES) mkdirSync(join(tree, name), { recursive: true });
  chmodSync(join(tree, 'tmp'), 0o1777);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(tree, name), text);
  must('sh', ['-c', BUSYBOX, 'sh', tree]);
  for (const name of programs) must('sh', ['-c', COPY, 'sh', tree, name]);
}

/** Compressed as the archive's name says: tar(1), --auto-compress. */
export function packTree(tree: string, archive: string): void {
  must('tar', ['-C', tree, '-caf', archive, '.']);
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`);
}

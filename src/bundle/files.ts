/**
 * Files of the host that a container gets copies of, and what is read of the image before the container is there. The
 * image's own files are read by tsrun-snapshot, inside the image's root, bounded, and only if they are regular files
 * (CVE-2026-47262).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HelperError, readWithHelper } from '../snapshot/helper.js';
import type { Mount } from '../spec/types.gen.js';
import type { AccountFiles } from './users.js';

const MAX_ACCOUNTS = 10 * 1024 * 1024;
const ENOENT = 2;
const ENOTDIR = 20;

async function readOfImage(directories: readonly string[], path: string): Promise<string> {
  const args = [path, String(MAX_ACCOUNTS), ...directories];
  try {
    return (await readWithHelper({ verb: 'read', args, subject: `/${path} of the image` })).toString('utf8');
  } catch (error) {
    const errno = error instanceof HelperError ? error.record?.errno : undefined;
    if (errno === ENOENT || errno === ENOTDIR) return '';
    throw error;
  }
}

/** directories: what shows the image, the uppermost first. */
export async function accountFiles(directories: readonly string[]): Promise<AccountFiles> {
  const [passwd, group] = await Promise.all([
    readOfImage(directories, 'etc/passwd'),
    readOfImage(directories, 'etc/group'),
  ]);
  return { passwd, group };
}

function ofHost(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const HOSTS = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

/** Writes them into the bundle; the mounts that bind them over the image's. */
export function networkFiles(bundle: string, hostname: string, hostNetwork: boolean): Mount[] {
  const files: { readonly [name: string]: string } = {
    hostname: `${hostname}\n`,
    hosts: hostNetwork ? ofHost('/etc/hosts') : `${HOSTS}127.0.1.1\t${hostname}\n`,
    'resolv.conf': hostNetwork ? ofHost('/etc/resolv.conf') : '',
  };
  return Object.entries(files).map(([name, text]) => {
    const source = join(bundle, name);
    writeFileSync(source, text, { mode: 0o644 });
    return { destination: `/etc/${name}`, type: 'bind', source, options: ['rbind', 'rprivate'] };
  });
}

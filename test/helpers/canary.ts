// A directory that no container may touch, outside of every root file system, and a comparison of all that can be seen of
// it: names, kinds, inodes, modes, owners, times, content. Whoever escapes leaves a trace in it.
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Sandbox } from './runtime.js';

/** In no file that a container should be able to read. */
export const CANARY_TEXT = 'canary 6f1c0a';

export interface Canary {
  readonly path: string;
  /** One line for each file; equal texts mean that nothing was touched. */
  look(): string;
  /** An assertion that nothing was touched since it was made. */
  untouched(t: Test, message?: string): boolean;
}

/** `b`, `pts` and `ptmx` are names that mounts and devices of containers have: they may land here, or be removed. */
export function canary(box: Sandbox): Canary {
  const path = join(box.directory, 'canary');
  mkdirSync(join(path, 'sub/b'), { recursive: true });
  mkdirSync(join(path, 'b'));
  mkdirSync(join(path, 'pts'));
  for (const name of ['victim', 'ptmx', 'sub/victim', 'secret', 'b/inside', 'pts/0']) {
    writeFileSync(join(path, name), `${CANARY_TEXT} ${name}\n`);
  }
  chmodSync(join(path, 'secret'), 0o600);
  const look = (): string => describe(path, '').join('\n');
  const before = look();
  return { path, look, untouched: (t, message = 'the canary is untouched') => t.equal(look(), before, message) };
}

function describe(root: string, below: string): string[] {
  const path = join(root, below);
  const { ino, mode, nlink, uid, gid, rdev, mtimeMs, ctimeMs, dev } = lstatSync(path);
  const numbers = [dev, ino, mode.toString(8), nlink, uid, gid, rdev, mtimeMs, ctimeMs].join(' ');
  const line = `${below || '.'} ${numbers}`;
  const kind = mode & 0o170000;
  if (kind === 0o040000) {
    return [
      line,
      ...readdirSync(path)
        .sort()
        .flatMap((name) => describe(root, join(below, name))),
    ];
  }
  if (kind === 0o120000) return [`${line} -> ${readlinkSync(path)}`];
  if (kind !== 0o100000) return [line];
  return [`${line} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`];
}

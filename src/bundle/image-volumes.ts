/**
 * Volumes that an image asks for: each container gets directories of its own for them, in its bundle, filled with what the
 * image has there, as docker's anonymous volumes are. They go with the bundle.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { TsrunError } from '../errors.js';
import { copyOfImage } from '../snapshot/copy-tree.js';
import type { Mount } from '../spec/types.gen.js';
import { quote } from '../util/quote.js';

/** Where, each once; but for places that the caller has mounted something at. Pure. Throws TsrunError IMAGE_INVALID. */
export function volumePaths(volumes: readonly string[], taken: readonly Mount[]): string[] {
  const places = new Set(taken.map(({ destination }) => posix.resolve('/', destination)));
  const paths = volumes.map((path) => posix.resolve('/', path)); // CVE-2021-43816: nothing is above the root
  if (paths.includes('/'))
    throw new TsrunError(
      'IMAGE_INVALID',
      `image config: Volumes: ${quote(volumes[paths.indexOf('/')] ?? '')} is the root`,
    );
  return [...new Set(paths)].filter((path) => !places.has(path)).sort();
}

/** directories: what shows the image, the uppermost first. */
export async function imageVolumes(
  bundle: string,
  paths: readonly string[],
  directories: readonly string[],
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, destination] of paths.entries()) {
    const source = join(bundle, 'volumes', String(index));
    mkdirSync(source, { recursive: true, mode: 0o755 });
    chmodSync(source, 0o755); // whatever the umask
    await copyOfImage(directories, destination, source);
    mounts.push({ destination, type: 'bind', source, options: ['rbind', 'rprivate'] });
  }
  return mounts;
}

/**
 * Where everything of the content store lies: disk-store.ts has the picture.
 *
 * Pure.
 */
import { join } from 'node:path';
import { type Digest, digestParts } from '../util/digest.js';
import { INDEX_FILE } from './layout.js';

export interface Places {
  /** Directory of unfinished blobs. */
  readonly ingest: string;
  readonly path: (digest: Digest) => string;
}

export interface Layout extends Places {
  readonly root: string;
  readonly index: string;
  readonly leases: string;
  readonly lock: string;
  readonly repositories: string;
}

export function layoutOf(dataRoot: string): Layout {
  const root = join(dataRoot, 'images');
  return {
    root,
    index: join(root, INDEX_FILE),
    ingest: join(root, 'ingest'),
    leases: join(root, 'leases'),
    lock: join(root, 'lock'),
    repositories: join(root, 'repositories'),
    path: (digest) => {
      const { algorithm, hex } = digestParts(digest);
      return join(root, 'blobs', algorithm, hex);
    },
  };
}

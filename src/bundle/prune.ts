/** Trees that no image of the store and no container stands on, and what killed commands have left. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import { readImage } from '../image/image.js';
import type { ContentStore } from '../image/store.js';
import type { Runtime } from '../runtime/runtime.js';
import { pruneLayers } from '../snapshot/layers.js';
import { type ChainId, chainIdOf, SnapshotStore } from '../snapshot/store.js';
import { collectRuns } from './collect.js';

/** The number of trees that were removed. Nothing to do where nothing was ever unpacked. */
export async function pruneTrees(runtime: Runtime, content: ContentStore): Promise<number> {
  if (!existsSync(join(content.dataRoot, 'snapshots'))) return 0;
  const store = new SnapshotStore(content.dataRoot);
  await collectRuns(runtime, content.dataRoot, store);
  return pruneLayers(store, imageChains(content));
}

/** The uppermost layer of each image of the store. */
export function imageChains(content: ContentStore): ChainId[] {
  return content.list().flatMap((stored) => {
    try {
      let top: ChainId | null = null;
      for (const diffId of readImage(content, stored).config.diffIds) top = chainIdOf(top, diffId);
      return top === null ? [] : [top];
    } catch (error) {
      if (error instanceof TsrunError) return []; // an artifact, or damaged: nobody can have unpacked it
      throw error;
    }
  });
}

/** What GET /system/df answers, and the sizes that images share. */

import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { type ChainId, chainIdOf } from '../../snapshot/store.js';
import type { Digest } from '../../util/digest.js';
import type { ImageGroup } from '../images/names.js';

function chainsOf({ image }: ImageGroup): ChainId[] {
  const chains: ChainId[] = [];
  for (const diffId of image.config.diffIds) chains.push(chainIdOf(chains.at(-1) ?? null, diffId));
  return chains;
}

/** Of each image: what its layers hold that another one has too. */
export function sharedSizes(groups: readonly ImageGroup[], { store }: Snapshotter): ReadonlyMap<Digest, number> {
  const users = new Map<ChainId, number>();
  for (const group of groups) for (const chain of chainsOf(group)) users.set(chain, (users.get(chain) ?? 0) + 1);
  return new Map(
    groups.map((group) => {
      const shared = chainsOf(group).filter((chain) => (users.get(chain) ?? 0) > 1);
      return [group.id, shared.reduce((sum, chain) => sum + (store.layer(chain)?.bytes ?? 0), 0)];
    }),
  );
}

/** Of all unpacked layers, each once. */
export const layersSize = ({ store }: Snapshotter): number => store.layers().reduce((sum, { bytes }) => sum + bytes, 0);

/** Getting an image from its registry, for the commands that do, with a line for each layer. */
import type { LayerState, Pulled, PullRequest } from '../image/pull.js';
import type { ContentStore } from '../image/store.js';
import type { RegistryClient } from '../registry/client.js';
import { shortDigest } from '../util/short-digest.js';
import type { Progress } from './progress.js';
import { accessOptions } from './registry-options.js';

const STATES: { readonly [state in LayerState]: string } = {
  waiting: 'Waiting',
  exists: 'Already exists',
  fetching: 'Downloading',
  done: 'Download complete',
};

export const MOVING = STATES.fetching;

export interface PullChoices extends Pick<PullRequest, 'reference' | 'platform' | 'platformGiven'> {
  readonly mirrors: readonly URL[];
  /** --policy; the one of the machine if not given. */
  readonly policy?: string | undefined;
  readonly progress: Progress;
}

/** Throws what pullImage throws. */
export async function pullReference(
  invocation: Parameters<typeof accessOptions>[0],
  store: ContentStore,
  { mirrors, progress, policy: path, ...choices }: PullChoices,
): Promise<Pulled> {
  const { reference } = choices;
  const access = await accessOptions(invocation);
  const { openRegistry } = await import('../image/registry-access.js');
  const { pullImage } = await import('../image/pull.js');
  const { openAdmission } = await import('../image/signature/admission.js');
  const admit = await openAdmission(reference, path);
  const clients: RegistryClient[] = [
    ...mirrors.map((url) => openRegistry(reference.registry, access, url)),
    openRegistry(reference.registry, access),
  ];
  try {
    progress.line(`${reference.tag ?? reference.digest}: Pulling from ${reference.repository}`);
    const pulled = await pullImage(store, {
      ...{ ...choices, clients, warn: invocation.runtime.warn },
      ...(admit === undefined ? {} : { admit }),
      progress: (layer, state, bytes, size) => progress.update(shortDigest(layer), STATES[state], bytes, size),
    });
    progress.finish();
    return pulled;
  } finally {
    for (const client of clients) client.close();
  }
}

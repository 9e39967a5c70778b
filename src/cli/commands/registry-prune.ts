/** `tsrun registry prune`: what pushes that came to nothing and deleted manifests left in the repositories of the store. */
import { UsageError } from '../../errors.js';
import { parseDuration } from '../../util/duration.js';
import { humanSize } from '../../util/human.js';
import { quote } from '../../util/quote.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';

export const registryPrune = defineCommand({
  name: 'registry prune',
  summary: 'remove what no manifest of a served repository needs',
  usage: '',
  description: [
    'Removes blobs that were pushed and are in no manifest of their repository, also while "tsrun registry serve" runs: what',
    'a push has asked for within --older-than stays. With --untagged manifests go too that have no tag, are in no index and',
    'refer to nothing that stays.',
  ],
  args: [0, 0],
  options: {
    untagged: { kind: 'flag', help: 'manifests without a tag too' },
    'older-than': { kind: 'text', help: 'leave what somebody asked for since', shownDefault: '1h' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { untagged, 'older-than': text } = invocation.options;
    const [{ GRACE_MS }, { pruneRepositories }] = await Promise.all([
      import('../../image/repositories.js'),
      import('../../image/prune-repositories.js'),
    ]);
    const age = text === undefined ? GRACE_MS : parseDuration(text);
    if (age === undefined)
      throw new UsageError(
        `--older-than: ${quote(text ?? '', 64)} is not a duration`,
        '--older-than',
        'such as 30m or 24h',
      );
    const store = await openImageStore(invocation);
    const { removed, collected } = pruneRepositories(store, { untagged, before: new Date(Date.now() - age) });
    print(`Forgotten by repositories: ${removed}\nTotal reclaimed space: ${humanSize(collected.size)}\n`);
    return 0;
  },
});

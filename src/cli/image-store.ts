/** What the commands of images share: the option that says where the store is, and opening it. */
import type { ContentStore } from '../image/store.js';
import { inUserNamespace } from '../util/user-namespace.js';
import type { Invocation } from './command.js';
import { HELP_OPTION, type OptionTable } from './options.js';

export const STORE_OPTIONS = {
  'data-root': {
    kind: 'text',
    help: 'where images lie; or TSRUN_DATA_ROOT',
    shownDefault: '/var/lib/tsrun, or $XDG_DATA_HOME/tsrun',
  },
  ...HELP_OPTION,
} as const satisfies OptionTable;

type Called = Pick<Invocation<OptionTable>, 'environment' | 'absolute'> & {
  readonly options: { readonly 'data-root': string | undefined };
};

export async function openImageStore(invocation: Called): Promise<ContentStore> {
  const [{ resolveDataRoot }, { openStore }] = await Promise.all([
    import('../image/data-root.js'),
    import('../image/disk-store.js'),
  ]);
  return openStore(resolveDataRoot(dataRootRequest(invocation)));
}

export function dataRootRequest({ options, environment, absolute }: Called) {
  const given = options['data-root'];
  const { USER: user } = environment;
  return {
    given: given === undefined ? undefined : absolute(given),
    environment,
    rootless: (process.geteuid?.() ?? 0) !== 0 || (user !== 'root' && inUserNamespace()),
  };
}

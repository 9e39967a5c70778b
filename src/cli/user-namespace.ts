/**
 * Layers have owners, and to mount them takes rights: a user without them goes on as root of a user namespace, with the
 * ids of /etc/subuid and /etc/subgid (subuid(5)), or with the own one alone where there are none. The command begins
 * again there, in the same process: tsrun-snapshot enter (csrc/snapshot/userns.c).
 */
import { TsrunError } from '../errors.js';
import { errnoName } from '../util/errno.js';

type Environment = { readonly [name: string]: string | undefined };

const ENTERED = 'entered';

/** Whether this command has: then it sees mounts that nobody else sees. */
export const isEntered = ({ TSRUN_USERNS: said }: Environment): boolean => said === ENTERED;

export interface Entrance {
  /** Absolute: the record of a process that keeps the namespaces for those who come again (csrc/snapshot/holder.h). */
  readonly hold?: string;
  /** Descriptors that come along. */
  readonly keep?: readonly number[];
}

/** Returns when this is root, whoever's. Throws TsrunError HOST_UNSUPPORTED. */
export async function enterUserNamespace(
  { TSRUN_USERNS: said, ...environment }: Environment,
  { hold, keep = [] }: Entrance = {},
): Promise<void> {
  const [euid, egid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  if (euid === 0) return;
  if (said !== undefined && said !== ENTERED) throw refused(said);
  const { hostFacts } = await import('../runtime/runtime.js');
  const { HELPER } = await import('../snapshot/helper.js');
  const { addon } = await import('../native/addon.js');
  const { newuidmap, newgidmap, uids, gids } = hostFacts().idMaps;
  const own = newuidmap === null || newgidmap === null || uids.length === 0 || gids.length === 0;
  const maps = own
    ? [idMapWords(euid, []), idMapWords(egid, []), '', '']
    : [idMapWords(euid, uids), idMapWords(egid, gids), newuidmap, newgidmap];
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // Descriptors that the launcher handed over do not come along.
  const { TSRUN_QUESTION: _question, TSRUN_ANSWER: _answer, ...kept } = environment;
  const variables = Object.entries(kept).map(([name, value]) => `${name}=${value}`);
  const verb = hold === undefined ? ['enter'] : ['hold', hold];
  addon().execve(HELPER, ['tsrun-snapshot', ...verb, ...maps, ...again], variables, keep);
}

/** "inside outside size …": root is the user, the ids behind it those that were granted, in their order. */
export function idMapWords(own: number, granted: readonly (readonly [start: number, size: number])[]): string {
  let next = 1;
  const lines = granted.map(([start, size]) => {
    const line = `${next} ${start} ${size}`;
    next += size;
    return line;
  });
  return [`0 ${own} 1`, ...lines].join(' ');
}

/** said: "CALL ERRNO WORDS". */
function refused(said: string): TsrunError {
  const [, call = '', errno = '', words = ''] = /^(\S+) (\d+) (.*)$/s.exec(said) ?? [];
  const why = words.trim() === '' ? errnoName(Number(errno)) : words.trim();
  return new TsrunError('HOST_UNSUPPORTED', `a user namespace, which this needs without root: ${call}: ${why}`, {
    hint:
      call === 'newuidmap'
        ? 'grant the user ids in /etc/subuid and /etc/subgid that nobody else has'
        : 'the host must let users make user namespaces: user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns',
  });
}

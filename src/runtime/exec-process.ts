/**
 * The process of an exec when no process.json is given: the container's own, changed by the command line. Which field
 * each flag changes and how is runc's (exec.go, getProcess).
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import type { LinuxCapabilities, Process, User } from '../spec/types.gen.js';
import { CAPABILITIES } from '../util/linux-names.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';

export interface ProcessChanges {
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly tty: boolean;
  readonly user: string | undefined;
  readonly additionalGids: readonly string[];
  readonly processLabel: string | undefined;
  readonly apparmor: string | undefined;
  readonly noNewPrivs: boolean;
  readonly capabilities: readonly string[];
}

// Leading zeros, signs and blanks are refused rather than guessed at: crun once took "1" for uid 0 (CVE-2026-30892).
const ID = /^(0|[1-9][0-9]{0,9})$/;

/** (uid_t)-1 means "leave as it is" to setresuid(2). */
const MAX_ID = 2 ** 32 - 2;

function readId(text: string, flag: string, what: string): number {
  const id = ID.test(text) ? Number(text) : Number.NaN;
  if (id <= MAX_ID) return id;
  throw new UsageError(`${flag}: bad ${what} ${quote(text, 64)}`, flag, `ids are numbers from 0 to ${MAX_ID}`);
}

/** "1000" or "1000:100" */
export function readUser(text: string): Pick<User, 'uid'> & Partial<Pick<User, 'gid'>> {
  const [uid = '', gid, ...more] = text.split(':');
  if (more.length > 0) throw new UsageError(`--user: ${quote(text, 64)} is not of the form UID[:GID]`, '--user');
  const user = { uid: readId(uid, '--user', 'uid') };
  return gid === undefined ? user : { ...user, gid: readId(gid, '--user', 'gid') };
}

function readGid(text: string): number {
  if (!ID.test(text)) {
    const flag = '--additional-gids';
    throw new UsageError(`${flag}: additional-gids must be a positive number, not ${quote(text, 64)}`, flag);
  }
  return readId(text, '--additional-gids', 'gid');
}

function changeUser(base: User, changes: ProcessChanges): User {
  const gids = [...(base.additionalGids ?? []), ...changes.additionalGids.map(readGid)];
  const user = { ...base, ...(changes.user === undefined ? {} : readUser(changes.user)) };
  return gids.length === 0 ? user : { ...user, additionalGids: gids };
}

function checkCapability(name: string): string {
  const upper = name.toUpperCase();
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (CAPABILITIES.includes(full)) return full;
  throw new UsageError(`--cap: unknown capability ${quote(name, 64)}`, '--cap', didYouMean(full, CAPABILITIES));
}

/** Never inheritable (CVE-2022-29162), so ambient only where the config made it inheritable. */
function addCapabilities(base: LinuxCapabilities = {}, names: readonly string[]): LinuxCapabilities {
  const added = names.map(checkCapability);
  const add = (set: readonly string[] | undefined, more: readonly string[]) => [...new Set([...(set ?? []), ...more])];
  const inheritable = added.filter((name) => base.inheritable?.includes(name));
  return {
    ...base,
    bounding: add(base.bounding, added),
    effective: add(base.effective, added),
    permitted: add(base.permitted, added),
    ...(base.ambient === undefined ? {} : { ambient: add(base.ambient, inheritable) }),
  };
}

/** Still to be validated. base: the container's process. Throws UsageError. */
export function changeProcess(base: Process, changes: ProcessChanges): Process {
  if (changes.args.length === 0) throw new UsageError('exec args cannot be empty', 'COMMAND');
  const { cwd, apparmor, processLabel } = changes;
  return {
    ...base,
    args: [...changes.args],
    env: [...(base.env ?? []), ...changes.env],
    terminal: changes.tty,
    user: changeUser(base.user, changes),
    ...(cwd === undefined ? {} : { cwd }),
    ...(apparmor === undefined ? {} : { apparmorProfile: apparmor }),
    ...(processLabel === undefined ? {} : { selinuxLabel: processLabel }),
    ...(changes.noNewPrivs ? { noNewPrivileges: true } : {}),
    ...(changes.capabilities.length === 0
      ? {}
      : { capabilities: addCapabilities(base.capabilities, changes.capabilities) }),
  };
}

/**
 * Where the state of containers lies: --root, or /run/tsrun, or $XDG_RUNTIME_DIR/tsrun for a user without root, which
 * whoever is root of a user namespace only is as well. (Rootless Podman runs its runtime so, and leaves USER alone.)
 */
import { lstatSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { describeSystemError } from '../util/errno.js';
import { quote } from '../util/quote.js';

const DEFAULT_ROOT = '/run/tsrun';
const WORLD_WRITABLE = 0o002;

export interface RootRequest {
  readonly given: string | undefined;
  readonly cwd: () => string;
  readonly euid: number;
  /** Empty counts as not set: podman exports it so. */
  readonly xdgRuntimeDir: string | undefined;
  /** $USER. */
  readonly user?: string | undefined;
  readonly inUserNamespace?: () => boolean;
}

export function resolveRoot(request: RootRequest): string {
  const { given, cwd, xdgRuntimeDir } = request;
  if (given === undefined) {
    return xdgRuntimeDir && isRootless(request) ? join(xdgRuntimeDir, 'tsrun') : DEFAULT_ROOT;
  }
  const root = given.startsWith('/') ? resolve(given) : resolve(cwd(), given);
  if (root === '/') throw new UsageError('Option --root argument should not be set to /', '--root');
  return root;
}

function isRootless({ euid, user, inUserNamespace = () => false }: RootRequest): boolean {
  return euid !== 0 || (user !== 'root' && inUserNamespace());
}

/** A directory in which others can plant state would give them the runtime's rights. Missing is fine. */
export function checkRoot(root: string, euid: number): void {
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(root);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw new UsageError(`--root: ${quote(root)}: ${describeSystemError(error)}`, '--root');
  }
  if (stat.isSymbolicLink()) return;
  if (!stat.isDirectory()) throw new UsageError(`--root: ${quote(root)} is not a directory`, '--root');
  if (stat.uid !== euid && (stat.mode & WORLD_WRITABLE) !== 0) {
    throw new UsageError(`--root: ${quote(root)} belongs to uid ${stat.uid} and anybody can write to it`, '--root');
  }
}

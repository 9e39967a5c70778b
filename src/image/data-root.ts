/**
 * Where images and snapshots lie: --data-root, or TSRUN_DATA_ROOT, or /var/lib/tsrun, or $XDG_DATA_HOME/tsrun for a user
 * without root (~/.local/share where that is not set: XDG base directory specification).
 *
 * Pure.
 */
import { join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';

export interface DataRootRequest {
  /** An absolute path. */
  readonly given: string | undefined;
  readonly environment: { readonly [name: string]: string | undefined };
  readonly rootless: boolean;
}

const DEFAULT = '/var/lib/tsrun';

/** A relative path in the environment would mean another place in every directory: XDG says to ignore it. */
const absolute = (path: string | undefined): string | undefined => (path?.startsWith('/') ? path : undefined);

export function resolveDataRoot({ given, environment, rootless }: DataRootRequest): string {
  const named = environment['TSRUN_DATA_ROOT'] || undefined;
  if (given === undefined && named !== undefined && absolute(named) === undefined)
    throw new UsageError(`TSRUN_DATA_ROOT: ${quote(named)} is not an absolute path`, 'TSRUN_DATA_ROOT');
  const chosen = given ?? named ?? (rootless ? ofUser(environment) : DEFAULT);
  const root = resolve(chosen);
  if (root === '/') throw new UsageError('--data-root must not be /', '--data-root');
  return root;
}

function ofUser(environment: DataRootRequest['environment']): string {
  const home = absolute(environment['HOME']);
  const data = absolute(environment['XDG_DATA_HOME']) ?? (home === undefined ? undefined : join(home, '.local/share'));
  if (data !== undefined) return join(data, 'tsrun');
  throw new UsageError('neither XDG_DATA_HOME nor HOME says where images may lie', '--data-root', 'give --data-root');
}

/**
 * linux.readonlyPaths: paths that the program must not write, with everything mounted below them.
 *
 * OCI runtime-spec, config-linux "Readonly Paths". Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { pointer } from '../util/pointer.js';
import type { Context } from './context.js';
import { containerPath } from './mounts.js';

export function compileReadonlyPaths({ spec }: Context): Op[] {
  const paths = (spec.linux?.readonlyPaths ?? []).map(containerPath);
  return paths.flatMap((path, index) =>
    paths.indexOf(path) === index
      ? [{ op: 'READONLY_PATH', path, origin: pointer('linux', 'readonlyPaths', index) }]
      : [],
  );
}

/**
 * linux.maskedPaths: paths that the program must not read.
 *
 * OCI runtime-spec, config-linux "Masked Paths". Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { pointer } from '../util/pointer.js';
import type { Context } from './context.js';
import { mountLabel } from './lsm.js';
import { containerPath } from './mounts.js';

/** Each once: a second mask over the first would only be one more mount. */
export function compileMaskedPaths(context: Context): Op[] {
  const { spec } = context;
  const label = mountLabel(context);
  const paths = (spec.linux?.maskedPaths ?? []).map(containerPath);
  return paths.flatMap((path, index) =>
    paths.indexOf(path) === index
      ? [{ op: 'MASK_PATH', path, label, origin: pointer('linux', 'maskedPaths', index) }]
      : [],
  );
}

/**
 * process.capabilities as masks. What the runtime does not hold itself, or the kernel could not grant together, is
 * left out with a warning, as the spec wants. Without capabilities in the config the program gets none.
 *
 * OCI runtime-spec, config "Process", "capabilities"; capabilities(7), capset(2). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import type { LinuxCapabilities } from '../spec/types.gen.js';
import { CAPABILITIES, capabilityNumber } from '../util/linux-names.js';
import { append, type JsonPointer } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { warn } from './report.js';

type SetName = keyof LinuxCapabilities;
type Masks = { readonly [set in SetName]-?: bigint };

export interface CapabilityOps {
  /** Before the user changes: dropping from the bounding set needs CAP_SETPCAP. */
  readonly bounding: Op;
  /** After: the change of user would clear them. */
  readonly sets: readonly Op[];
}

export function compileCapabilities(scope: ProcessScope): CapabilityOps {
  const origin = append(scope.base, 'capabilities');
  const { bounding, effective, permitted, inheritable, ambient } = readMasks(scope, origin);
  return {
    bounding: { op: 'BOUNDING_SET', mask: bounding, origin },
    sets: [
      { op: 'CAPABILITIES', effective, permitted, inheritable, origin },
      { op: 'AMBIENT', mask: ambient, origin: append(origin, 'ambient') },
    ],
  };
}

/** Root of a user namespace holds them all there, whoever made it. */
function readMasks(scope: ProcessScope, origin: JsonPointer): Masks {
  const all = (1n << BigInt(scope.facts.lastCap + 1)) - 1n;
  const held = scope.namespaces.has('user') ? all : scope.facts.capabilities & all;
  const read = (set: SetName) => readSet(scope, append(origin, set), scope.process.capabilities?.[set] ?? []);
  const within = (set: SetName, allowed: bigint, why: string) =>
    restrict(scope, append(origin, set), read(set), allowed, why);
  const bounding = read('bounding');
  const permitted = within('permitted', held, 'the runtime does not have');
  const inheritable = within('inheritable', bounding & held, 'are not in the bounding set or not held by the runtime');
  // That these lie within the others is a rule of spec/, which has warned.
  const effective = read('effective') & permitted;
  const ambient = read('ambient') & permitted & inheritable;
  return { bounding, permitted, inheritable, effective, ambient };
}

/** Names that Linux never had spec/ has warned of; here those of a newer kernel. */
function readSet(scope: ProcessScope, path: JsonPointer, names: readonly string[]): bigint {
  let mask = 0n;
  for (const [index, name] of names.entries()) {
    const bit = capabilityNumber(name);
    if (bit === undefined) continue;
    if (bit <= scope.facts.lastCap) mask |= 1n << BigInt(bit);
    else
      warn(scope.report, 'CAPABILITY_NEWER', append(path, index), 'is not known to this kernel and left out', {
        value: name,
      });
  }
  return mask;
}

function restrict(scope: ProcessScope, path: JsonPointer, asked: bigint, allowed: bigint, why: string): bigint {
  const lost = CAPABILITIES.filter((_, bit) => (((asked & ~allowed) >> BigInt(bit)) & 1n) === 1n);
  if (lost.length > 0) {
    warn(scope.report, 'CAPABILITY_NOT_GRANTED', path, `leaves out those that ${why}: ${lost.join(', ')}`);
  }
  return asked & allowed;
}

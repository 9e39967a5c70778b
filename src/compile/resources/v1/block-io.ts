/**
 * linux.resources.blockIO to the files of the blkio controller of cgroup v1: weights of the BFQ scheduler, throttles of
 * the block layer.
 *
 * OCI runtime-spec, config-linux "Block IO"; cgroup-v1/blkio-controller.rst, block/bfq-iosched.rst. Pure.
 */
import type { LinuxBlockIO } from '../../../spec/types.gen.js';
import type { JsonPointer } from '../../../util/pointer.js';
import { refuse } from '../../report.js';
import { type Limits, needV1, resource, setV1Limit } from '../limits.js';

const THROTTLES = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device'],
] as const;

export function compileBlockIoV1(limits: Limits, blockIO: LinuxBlockIO): void {
  setWeight(limits, resource('blockIO', 'weight'), 'weight', '', blockIO.weight);
  refuseLeafWeight(limits, resource('blockIO', 'leafWeight'), blockIO.leafWeight);
  for (const [index, { major, minor, weight, leafWeight }] of (blockIO.weightDevice ?? []).entries()) {
    const origin = (field: string) => resource('blockIO', 'weightDevice', index, field);
    setWeight(limits, origin('weight'), 'weight_device', `${major}:${minor} `, weight);
    refuseLeafWeight(limits, origin('leafWeight'), leafWeight);
  }
  for (const [field, file] of THROTTLES) {
    for (const [index, { major, minor, rate }] of (blockIO[field] ?? []).entries()) {
      if (rate === 0n) continue;
      setV1Limit(limits, 'blkio', resource('blockIO', field, index), file, `${major}:${minor} ${rate}`);
    }
  }
}

/** The files without "bfq" are those of another scheduler that has cgroups. */
function setWeight(limits: Limits, origin: JsonPointer, file: string, device: string, weight = 0): void {
  const hierarchy = weight === 0 ? undefined : needV1(limits, 'blkio', origin);
  if (hierarchy === undefined) return;
  const value = `${device}${weight}`;
  limits.ops.push({
    op: 'CGROUP_WRITE_EITHER',
    hierarchy,
    file: `blkio.bfq.${file}`,
    value,
    otherFile: `blkio.${file}`,
    otherValue: value,
    origin,
  });
}

function refuseLeafWeight({ report }: Limits, origin: JsonPointer, leafWeight = 0): void {
  if (leafWeight === 0) return;
  const message = 'cannot be set: the only scheduler with leaf weights, CFQ, left the kernel in Linux 5.0';
  refuse(report, 'NO_LEAF_WEIGHT', origin, message, { hint: 'remove the field' });
}

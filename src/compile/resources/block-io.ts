/**
 * linux.resources.blockIO to io.bfq.weight or io.weight, and io.max. Which of the weight files a cgroup has depends on
 * the scheduler modules loaded when it is made, so the executor tries the one and then the other.
 *
 * OCI runtime-spec, config-linux "Block IO"; cgroup-v2.rst "IO Interface Files". Pure.
 */
import type { LinuxBlockIO, LinuxThrottleDevice } from '../../spec/types.gen.js';
import type { JsonPointer } from '../../util/pointer.js';
import { CGROUP2, type Limits, needController, refuseOnV2, resource, setLimit } from './limits.js';

const THROTTLES = [
  ['throttleReadBpsDevice', 'rbps'],
  ['throttleWriteBpsDevice', 'wbps'],
  ['throttleReadIOPSDevice', 'riops'],
  ['throttleWriteIOPSDevice', 'wiops'],
] as const;

export function compileBlockIo(limits: Limits, blockIO: LinuxBlockIO): void {
  setWeight(limits, resource('blockIO', 'weight'), '', blockIO.weight);
  refuseLeafWeight(limits, resource('blockIO', 'leafWeight'), blockIO.leafWeight);
  for (const [index, device] of (blockIO.weightDevice ?? []).entries()) {
    const origin = (field: string) => resource('blockIO', 'weightDevice', index, field);
    setWeight(limits, origin('weight'), `${device.major}:${device.minor} `, device.weight);
    refuseLeafWeight(limits, origin('leafWeight'), device.leafWeight);
  }
  for (const [field, key] of THROTTLES) {
    for (const [index, device] of (blockIO[field] ?? []).entries()) {
      setThrottle(limits, resource('blockIO', field, index), key, device);
    }
  }
}

/** BFQ takes 1..1000 as OCI does; io.weight of iocost takes 1..10000, and 10..1000 is spread over that. */
function setWeight(limits: Limits, origin: JsonPointer, device: string, weight = 0): void {
  if (weight === 0 || !needController(limits, 'io', origin)) return;
  const spread = 1 + Math.trunc(((weight - 10) * 9999) / 990);
  const value = `${device}${weight}`;
  const otherValue = `${device}${spread}`;
  limits.ops.push({
    op: 'CGROUP_WRITE_EITHER',
    hierarchy: CGROUP2,
    file: 'io.bfq.weight',
    value,
    otherFile: 'io.weight',
    otherValue,
    origin,
  });
}

function refuseLeafWeight(limits: Limits, origin: JsonPointer, leafWeight = 0): void {
  if (leafWeight !== 0) refuseOnV2(limits, origin, 'leaf weight');
}

function setThrottle(limits: Limits, origin: JsonPointer, key: string, device: LinuxThrottleDevice): void {
  if (device.rate === 0n) return;
  setLimit(limits, 'io', origin, 'io.max', `${device.major}:${device.minor} ${key}=${device.rate}`);
}

/**
 * The way back of an update: what each file that it writes holds now, as writes in the opposite order.
 *
 * Pure.
 */
import { type Op, WRITE } from '../plan/op.gen.js';
import { restoreSchemata } from './intel-rdt.js';

/** The text of a file of the container's cgroup in a hierarchy (0: cgroup2); undefined when it is not there. */
export type LiveFiles = (hierarchy: number, file: string) => string | undefined;

type Write = Extract<Op, { op: 'CGROUP_WRITE' }>;

/** Files with an entry per device: what a device has that they do not name. */
const NO_ENTRY: { readonly [file: string]: string } = {
  'io.max': 'rbps=max wbps=max riops=max wiops=max',
  'io.weight': 'default',
  'io.bfq.weight': '0',
  'blkio.throttle.read_bps_device': '0',
  'blkio.throttle.write_bps_device': '0',
  'blkio.throttle.read_iops_device': '0',
  'blkio.throttle.write_iops_device': '0',
  'blkio.bfq.weight_device': '0',
  'blkio.weight_device': '0',
};

/** Written line by line, whatever they hold. */
const LISTS = new Set([...Object.keys(NO_ENTRY), 'rdma.max', 'net_prio.ifpriomap']);

/** v1 keeps no file of the rules as they were given: the old ones are compiled anew. */
const DEVICE_RULES = new Set(['devices.allow', 'devices.deny']);

const isDevices = (op: Op) => op.op === 'CGROUP_DEVICES' || (op.op === 'CGROUP_WRITE' && DEVICE_RULES.has(op.file));

/** What holds before the update. */
interface Before {
  readonly live: LiveFiles;
  readonly schemata: string | undefined;
}

export function restoreOps(ops: readonly Op[], before: Before, oldDevices: () => readonly Op[]): Op[] {
  const back = ops
    .filter((op) => !isDevices(op))
    .flatMap((op) => restore(op, before.live))
    .reverse();
  const schemata = ops.flatMap((op) => (op.op === 'RDT_SCHEMATA' ? restoreSchemata(op, before.schemata ?? '') : []));
  return [...schemata, ...(ops.some(isDevices) ? oldDevices() : []), ...lastDecides(back)];
}

function restore(op: Op, live: LiveFiles): Write[] {
  if (op.op === 'CGROUP_WRITE') return restoreFile(op, op.file, op.value, live);
  if (op.op !== 'CGROUP_WRITE_EITHER') return [];
  const first = restoreFile(op, op.file, op.value, live);
  return first.length > 0 ? first : restoreFile(op, op.otherFile, op.otherValue, live);
}

function restoreFile(op: Op & { readonly hierarchy: number }, file: string, value: string, live: LiveFiles): Write[] {
  const text = live(op.hierarchy, file)?.trim();
  if (text === undefined) return [];
  const write = (line: string): Write => {
    return { op: 'CGROUP_WRITE', hierarchy: op.hierarchy, file, value: line, flags: 0, origin: op.origin };
  };
  if (!LISTS.has(file)) return text === '' ? [] : [write(text)];
  const lines = text.split('\n').filter((line) => line !== '');
  const device = /^\d+:\d+(?= )/.exec(value)?.[0];
  const known = device === undefined || lines.some((line) => line.startsWith(`${device} `));
  return [...lines.map(write), ...(known ? [] : [write(`${device} ${NO_ENTRY[file] ?? 'max'}`)])];
}

/** Of two writes to a file (v1's limit, before and after memsw) the first one may be refused. */
function lastDecides(ops: readonly Write[]): Write[] {
  const name = ({ hierarchy, file, value }: Write) => `${hierarchy} ${file} ${value}`;
  return ops.map((op, index) => {
    const again = ops.slice(index + 1).some((later) => name(later) === name(op));
    return again ? { ...op, flags: WRITE.IGNORE_INVALID } : op;
  });
}

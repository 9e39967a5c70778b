/**
 * The limits of a cgroup as properties of its unit. systemd writes files of its own into the cgroup, when it makes it and
 * whenever it reloads, so it has to know what the container was given: each file that is written and that a property
 * stands for becomes that property.
 *
 * systemd.resource-control(5), org.freedesktop.systemd1(5). Pure.
 */
import type { Op } from '../../plan/op.gen.js';
import type { Variant } from '../../util/dbus.js';
import { parseNumberList } from '../../util/number-list.js';

export interface Property {
  readonly name: string;
  readonly value: Variant;
  /** The first version that takes it. What has one is left out where it is not understood: the file is written anyway. */
  readonly since?: number;
  /** The annotation it comes from. */
  readonly annotation?: string;
}

type Translate = (value: string) => readonly Property[];

/** What systemd takes for "no limit". */
const INFINITY = (1n << 64n) - 1n;
const UNITS = ['', 'k', 'm', 'g', 't', 'p', 'e'];

/** As the kernel reads it: "max", in cgroup v1 "-1", a number, or one with a unit. */
function amount(text: string): bigint | undefined {
  if (text === 'max' || text === '-1') return INFINITY;
  const found = /^([0-9]+)([kmgtpe]?)$/i.exec(text);
  if (found === null) return undefined;
  return BigInt(found[1] ?? 0) << BigInt(10 * UNITS.indexOf((found[2] ?? '').toLowerCase()));
}

function number(name: string, value: bigint | undefined, since?: number): readonly Property[] {
  return value === undefined
    ? []
    : [{ name, value: { signature: 't', value }, ...(since === undefined ? {} : { since }) }];
}

const sized =
  (name: string): Translate =>
  (value) =>
    number(name, amount(value));

const CPU_WEIGHT_IDLE = 252;
const CPU_QUOTA_PERIOD = 242;
const ALLOWED_CPUS = 244;
const SCOPE_OOM_POLICY = 253;

const SECOND = 1_000_000n;
const PERCENT = SECOND / 100n;

/** systemd keeps a whole percentage: rounded up, so that the cgroups below may ask for all that was given. */
function cpuMax(value: string): readonly Property[] {
  const [quota = 'max', period = '100000'] = value.split(' ');
  const [allowed, every] = [amount(quota), amount(period)];
  if (allowed === undefined || every === undefined || every === 0n) return [];
  const exact = (allowed * SECOND) / every;
  const perSecond = allowed === INFINITY ? INFINITY : ((exact + PERCENT - 1n) / PERCENT) * PERCENT;
  return [...number('CPUQuotaPeriodUSec', every, CPU_QUOTA_PERIOD), ...number('CPUQuotaPerSecUSec', perSecond)];
}

/** One bit for each CPU or node, the lowest first. */
const bits =
  (name: string): Translate =>
  (value) => {
    const ranges = parseNumberList(value);
    if (ranges === undefined) return [];
    const bytes: number[] = [];
    for (const [first, last] of ranges) {
      for (let bit = first; bit <= last; bit++) {
        while (bytes.length <= bit >> 3) bytes.push(0);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
      }
    }
    return [{ name, value: { signature: 'ay', value: bytes }, since: ALLOWED_CPUS }];
  };

const OOM_POLICIES: { readonly [value: string]: string } = { '0': 'continue', '1': 'kill' };

function oomGroup(value: string): readonly Property[] {
  const policy = OOM_POLICIES[value];
  if (policy === undefined) return [];
  return [{ name: 'OOMPolicy', value: { signature: 's', value: policy }, since: SCOPE_OOM_POLICY }];
}

const FILES: { readonly [file: string]: Translate } = {
  'memory.max': sized('MemoryMax'),
  'memory.high': sized('MemoryHigh'),
  'memory.low': sized('MemoryLow'),
  'memory.min': sized('MemoryMin'),
  'memory.swap.max': sized('MemorySwapMax'),
  'memory.oom.group': oomGroup,
  'pids.max': sized('TasksMax'),
  'cpu.weight': sized('CPUWeight'),
  'cpu.idle': (value) => (value === '1' ? number('CPUWeight', 0n, CPU_WEIGHT_IDLE) : []),
  'cpu.max': cpuMax,
  'cpuset.cpus': bits('AllowedCPUs'),
  'cpuset.mems': bits('AllowedMemoryNodes'),
  'io.weight': (value) => number('IOWeight', amount(value.replace(/^default /, ''))),
  // cgroup v1; pids.max and the files of cpuset are the same. memory.memsw.limit_in_bytes has no property.
  'memory.limit_in_bytes': sized('MemoryLimit'),
  'cpu.shares': sized('CPUShares'),
  'blkio.weight': sized('BlockIOWeight'),
};

/** Of the writes into the cgroups, as far as version (null: unknown) has them. The last one counts, as in the files. */
export function limitProperties(writes: readonly Op[], version: number | null): Property[] {
  const all = new Map<string, Property>();
  for (const property of [...writes.flatMap(translate), ...bandwidthV1(writes)]) {
    if ((property.since ?? 0) <= (version ?? Number.POSITIVE_INFINITY)) all.set(property.name, property);
  }
  return [...all.values()];
}

/** What cpu.max of cgroup2 says in one file are two in cgroup v1. A period alone limits nothing. */
function bandwidthV1(writes: readonly Op[]): readonly Property[] {
  const last = (file: string) =>
    writes.findLast((op) => op.op === 'CGROUP_WRITE' && op.hierarchy !== 0 && op.file === file);
  const [quota, period] = [last('cpu.cfs_quota_us'), last('cpu.cfs_period_us')];
  if (quota?.op !== 'CGROUP_WRITE') return [];
  const allowed = quota.value === '-1' ? 'max' : quota.value;
  return cpuMax(period?.op === 'CGROUP_WRITE' ? `${allowed} ${period.value}` : allowed);
}

function translate(op: Op): readonly Property[] {
  if (op.op === 'CGROUP_WRITE') return lookUp(op.file, op.value.trim());
  if (op.op === 'CGROUP_WRITE_EITHER') return lookUp(op.otherFile, op.otherValue.trim());
  return [];
}

function lookUp(file: string, value: string): readonly Property[] {
  return Object.hasOwn(FILES, file) ? (FILES[file]?.(value) ?? []) : [];
}

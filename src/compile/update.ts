/**
 * update: new limits for a container that exists. What is not named stays: where the kernel keeps two values in one file,
 * or OCI counts one of them by the other, the second one is taken from what holds now. The order of writes keeps every
 * step within what the kernel takes, and a second list brings the old values back when one is refused.
 *
 * OCI runtime-spec, config-linux "Control groups"; the behaviour is runc's (update.go). Pure.
 */
import { SpecError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { type Op, WRITE } from '../plan/op.gen.js';
import { NO_OPS } from '../plan/plan.js';
import type { LinuxCPU, LinuxIntelRdt, LinuxMemory, LinuxResources } from '../spec/types.gen.js';
import { asPointer, type JsonPointer } from '../util/pointer.js';
import type { CgroupPlace } from './cgroup.js';
import { ROOT_ORIGIN } from './context.js';
import type { Compiled } from './index.js';
import { type RdtChange, updateIntelRdt } from './intel-rdt.js';
import { refuse } from './report.js';
import { CGROUP2, findV1, isOnV1, type Limits, resource, setLimit, setV1Limit } from './resources/limits.js';
import { compileResources } from './resources/resources.js';
import { updateUnit } from './systemd/cgroup.js';
import { managedFacts } from './systemd/hierarchies.js';
import { type LiveFiles, restoreOps } from './update-restore.js';

export interface UpdateChange {
  readonly resources: LinuxResources;
  readonly intelRdt: RdtChange;
}

export interface UpdateTarget {
  /** What was asked for so far: linux.resources of the container's record. */
  readonly current: LinuxResources;
  readonly places: readonly CgroupPlace[];
  /** The scope that systemd made for it. */
  readonly unit: string | null;
  /** The files of the container's cgroups as they are. */
  readonly live: LiveFiles;
  /** What the config says of Intel RDT, and the text of the schemata file of the container's class. */
  readonly intelRdt: LinuxIntelRdt | undefined;
  readonly schemata: string | undefined;
  /** Text of state.json with the new resources. */
  readonly record: string;
}

const UNLIMITED = -1n;
const RESOURCES = '/linux/resources';

/** mov r0, 1; exit */
const ALLOW_ALL = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

/**
 * change: what the command line or its file asks for. rename: from a place in it to how the user wrote it ("--memory").
 * Throws SpecError with everything that this host's cgroups cannot do.
 */
export function compileUpdate(
  change: UpdateChange,
  target: UpdateTarget,
  host: HostFacts,
  rename: (path: JsonPointer) => JsonPointer,
): Compiled {
  const { resources: named, intelRdt } = change;
  const facts = target.unit === null ? host : managedFacts(host);
  const { current, places, unit, live, record } = target;
  const within = (path: JsonPointer) =>
    rename(path.startsWith(RESOURCES) ? asPointer(path.slice(RESOURCES.length)) : path);
  const limits = compileResources(complete(named, target, facts), facts, { devices: false });
  endWithZero(limits, named);
  checkUsage(limits, named, live);
  const devices = named.devices === undefined ? [] : deviceOps(named.devices, facts);
  const rdt = updateIntelRdt({ facts, report: limits.report }, target.intelRdt, intelRdt);
  const { issues, warnings } = limits.report;
  if (issues.length > 0) throw new SpecError(issues.map((issue) => ({ ...issue, path: within(issue.path) })));
  const ops = [...inOrder(limits.ops, live), ...devices, ...rdt].map((op) => ({ ...op, origin: within(op.origin) }));
  const restore = restoreOps(ops, target, () => deviceOps(current.devices ?? [], facts));
  const lists = {
    ...NO_OPS,
    setup: [
      ...places.map((place): Op => ({ op: 'CGROUP_ENTER', ...enterable(place), sub: '', origin: ROOT_ORIGIN })),
      ...updateUnit(unit, ops, facts),
      ...ops,
      { op: 'STATE_FILE', name: 'state.json', data: record, mode: 0o600, origin: ROOT_ORIGIN } as const,
    ],
    teardown: [...updateUnit(unit, restore, facts), ...restore],
  };
  return { plan: { stateJson: '', lists }, warnings: warnings.map((one) => ({ ...one, path: within(one.path) })) };
}

const enterable = ({ hierarchy, mount, path }: CgroupPlace) => ({ hierarchy, mount, path });

const given = (value: bigint | undefined): bigint | undefined => (value === 0n ? undefined : value);

/** With fields that are not named and yet decide what is written for those that are. */
function complete(named: LinuxResources, target: UpdateTarget, facts: HostFacts): LinuxResources {
  const { memory, cpu } = named;
  const { current } = target;
  return {
    ...named,
    ...(memory === undefined ? {} : { memory: completeMemory(memory, current.memory ?? {}) }),
    ...(cpu === undefined ? {} : { cpu: completeCpu(cpu, liveBandwidth(target, facts)) }),
  };
}

/** The swap of OCI counts memory too; an unlimited memory frees swap unless that is named. */
export function completeMemory(named: LinuxMemory, current: LinuxMemory): LinuxMemory {
  const [limit, swap] = [given(named.limit), given(named.swap)];
  if (limit === undefined && swap === undefined) return named;
  const both = {
    limit: limit ?? given(current.limit),
    swap: swap ?? (limit === UNLIMITED ? UNLIMITED : given(current.swap)),
  };
  const known = Object.entries(both).filter(([, value]) => value !== undefined);
  return { ...named, ...Object.fromEntries(known) };
}

/** As cpu.max has it. In cgroup v1 these are two files, of which systemd wants to hear as of one. */
function liveBandwidth({ live, unit }: UpdateTarget, { cgroup }: HostFacts): string | undefined {
  const v1 = findV1(cgroup, 'cpu');
  if (v1 === undefined || unit === null) return live(CGROUP2, 'cpu.max');
  const [quota, period] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((file) => live(v1, file)?.trim());
  return `${quota === '-1' ? 'max' : quota} ${period}`;
}

/** cpu.max of cgroup v2 holds both: "50000 100000", "max 100000". */
function completeCpu(named: LinuxCPU, live: string | undefined): LinuxCPU {
  const [quota, period] = [given(named.quota), given(named.period)];
  const [oldQuota, oldPeriod] = (live ?? '').trim().split(' ');
  if (oldPeriod === undefined || (quota === undefined) === (period === undefined)) return named;
  if (quota !== undefined) return { ...named, period: BigInt(oldPeriod) };
  return { ...named, quota: oldQuota === 'max' ? UNLIMITED : BigInt(oldQuota ?? '-1') };
}

/** Files of the fields whose zero is a value of its own, in cgroup v1 and in cgroup2. */
const ENDED_BY_ZERO = [
  ['idle', 'cpu.idle', 'cpu.idle'],
  ['burst', 'cpu.cfs_burst_us', 'cpu.max.burst'],
] as const;

/**
 * A config that says 0 asks for nothing; here it ends what another value began, before a weight can be set again, or a
 * quota below the burst.
 */
function endWithZero(limits: Limits, { cpu }: LinuxResources): void {
  for (const [field, v1, v2] of ENDED_BY_ZERO) {
    if (cpu?.[field] !== 0n) continue;
    const origin = resource('cpu', field);
    if (isOnV1(limits, 'cpu')) setV1Limit(limits, 'cpu', origin, v1, '0', WRITE.IGNORE_MISSING);
    else setLimit(limits, 'cpu', origin, v2, '0', WRITE.IGNORE_MISSING);
    const op = limits.ops.pop();
    if (op !== undefined) limits.ops.unshift(op);
  }
}

/** memory.checkBeforeUpdate: the kernel would make room by killing. */
function checkUsage(limits: Limits, { memory }: LinuxResources, live: LiveFiles): void {
  if (memory?.checkBeforeUpdate !== true) return;
  const v1 = findV1(limits.facts, 'memory');
  const number = (file: string) => BigInt((v1 === undefined ? live(CGROUP2, file) : live(v1, file))?.trim() || '0');
  const used = number(v1 === undefined ? 'memory.current' : 'memory.usage_in_bytes');
  const usedWithSwap = v1 === undefined ? used + number('memory.swap.current') : number('memory.memsw.usage_in_bytes');
  const check = (field: 'limit' | 'swap', what: string, usage: bigint) => {
    const limit = memory[field] ?? 0n;
    if (limit <= 0n || limit > usage) return;
    const message = `rejecting ${what} limit ${limit} <= usage ${usage}`;
    refuse(limits.report, 'BELOW_USAGE', resource('memory', field), message, {
      hint: 'checkBeforeUpdate asks for this',
    });
  };
  check('limit', 'memory', used);
  check('swap', 'memory+swap', usedWithSwap);
}

/** A filter that allows everything is no filter for create; here it takes the place of the one that is attached. */
function deviceOps(devices: NonNullable<LinuxResources['devices']>, facts: HostFacts): Op[] {
  const { ops, report } = compileResources({ devices }, facts, { devices: true });
  if (report.issues.length > 0) throw new SpecError(report.issues);
  if (ops.length > 0) return ops;
  const origin = resource('devices');
  if (facts.cgroup.mount !== null) return [{ op: 'CGROUP_DEVICES', program: ALLOW_ALL, flags: 0, origin }];
  const hierarchy = findV1(facts.cgroup, 'devices');
  return hierarchy === undefined
    ? []
    : [{ op: 'CGROUP_WRITE', hierarchy, file: 'devices.allow', value: 'a', flags: 0, origin }];
}

const asNumber = (text: string | undefined): bigint => {
  const word = (text ?? 'max').trim().split(' ')[0] ?? 'max';
  return /^\d+$/.test(word) ? BigInt(word) : 2n ** 64n;
};

/** cgroup v2: what grows before what shrinks, so that nothing is reclaimed that the new limits allow. */
function inOrder(ops: readonly Op[], live: LiveFiles): Op[] {
  const isV2 = (op: Op, file: string) => op.op === 'CGROUP_WRITE' && op.hierarchy === CGROUP2 && op.file === file;
  if (!ops.some((op) => shrinks(op, 'memory.max', live))) return [...ops];
  return moveBefore(
    ops,
    (op) => isV2(op, 'memory.swap.max'),
    (op) => isV2(op, 'memory.max'),
  );
}

function shrinks(op: Op, file: string, live: LiveFiles): boolean {
  if (op.op !== 'CGROUP_WRITE' || op.hierarchy !== CGROUP2 || op.file !== file) return false;
  return asNumber(op.value) < asNumber(live(CGROUP2, file));
}

function moveBefore(ops: readonly Op[], moved: (op: Op) => boolean, before: (op: Op) => boolean): Op[] {
  const rest = ops.filter((op) => !moved(op));
  const at = rest.findIndex(before);
  return at < 0 ? [...ops] : [...rest.slice(0, at), ...ops.filter(moved), ...rest.slice(at)];
}

/**
 * linux.intelRdt: the class of service (CLOS) that shares cache and memory bandwidth, and a monitoring group, both
 * directories of resctrl. Only what the runtime made is removed. A class that is there already is compared, not changed: it
 * may be others'. What the executor writes for a new one are the lines here.
 *
 * OCI runtime-spec, config-linux "IntelRdt"; kernel documentation, filesystems/resctrl.rst. Pure.
 */
import { type Op, RDT, SLOT } from '../plan/op.gen.js';
import type { LinuxIntelRdt } from '../spec/types.gen.js';
import { append, pointer } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { refuse } from './report.js';

const AT = pointer('linux', 'intelRdt');

/** The directory below the mount; '' is the root class. */
export function groupOf({ closID }: LinuxIntelRdt): string {
  if (closID === undefined) return SLOT.id;
  return closID === '/' ? '' : closID;
}

/** One text a write: the spec wants both old fields in one, with the MB lines of memBwSchema alone. */
function schemataOf({ l3CacheSchema = '', memBwSchema = '', schemata = [] }: LinuxIntelRdt): string[] {
  const cache = l3CacheSchema.split('\n').filter((line) => memBwSchema === '' || !/^\s*MB:/.test(line));
  const old = [...cache, memBwSchema].filter((line) => line.trim() !== '');
  const texts = [...(old.length === 0 ? [] : [old.join('\n')]), ...schemata.filter((line) => line.trim() !== '')];
  return texts.map((text) => `${text}\n`);
}

/** Which directory of resctrl's info/ shows that the host has what a field needs. */
const NEEDS = [
  { field: 'l3CacheSchema', asks: ({ l3CacheSchema = '' }: LinuxIntelRdt) => l3CacheSchema !== '', info: /^L3/ },
  { field: 'memBwSchema', asks: ({ memBwSchema = '' }: LinuxIntelRdt) => memBwSchema !== '', info: /^MB$/ },
  {
    field: 'enableMonitoring',
    asks: ({ enableMonitoring }: LinuxIntelRdt) => enableMonitoring === true,
    info: /_MON$/,
  },
] as const;

type Judged = Pick<ProcessScope, 'facts' | 'report'>;

/** The mount point, or undefined with the reason reported. */
function mountOf({ facts, report }: Judged, rdt: LinuxIntelRdt): string | undefined {
  const { resctrl } = facts;
  if (resctrl === null) {
    refuse(report, 'RDT_UNAVAILABLE', AT, 'is specified in config, but Intel RDT is not enabled', {
      hint: 'mount it: mount -t resctrl resctrl /sys/fs/resctrl (the processor and CONFIG_X86_CPU_RESCTRL must have it)',
    });
    return undefined;
  }
  for (const { field, asks, info } of NEEDS) {
    if (!asks(rdt) || resctrl.info.some((name) => info.test(name))) continue;
    refuse(report, 'RDT_UNAVAILABLE', append(AT, field), 'is not something that this processor has', {
      hint: `${resctrl.mount}/info lists: ${resctrl.info.join(' ') || 'nothing'}`,
    });
  }
  return resctrl.mount;
}

/** Before the process is made. */
export function compileIntelRdt(scope: ProcessScope): Op[] {
  const rdt = scope.spec.linux?.intelRdt;
  const mount = rdt === undefined ? undefined : mountOf(scope, rdt);
  if (rdt === undefined || mount === undefined) return [];
  const lines = schemataOf(rdt);
  // The spec: a class that is named and not described must have been set up before.
  const flags = rdt.closID !== undefined && lines.length === 0 ? RDT.MUST_EXIST : 0;
  return [
    { op: 'RDT_GROUP', mount, group: groupOf(rdt), flags, origin: append(AT, 'closID') },
    ...(lines.length === 0 ? [] : [{ op: 'RDT_SCHEMATA', lines, flags: 0, origin: AT } as const]),
    ...monitor(rdt, 0),
  ];
}

function monitor({ enableMonitoring }: LinuxIntelRdt, flags: number): Op[] {
  if (enableMonitoring !== true) return [];
  return [{ op: 'RDT_MONITOR', name: SLOT.id, flags, origin: append(AT, 'enableMonitoring') }];
}

/** Also for a process of exec, which is no child of the container's. */
export function joinIntelRdt({ spec, facts }: ProcessScope): Op[] {
  return spec.linux?.intelRdt === undefined || facts.resctrl === null ? [] : [{ op: 'RDT_JOIN', origin: AT }];
}

/** exec: the groups that create made. */
export function openIntelRdt({ spec, facts }: ProcessScope): Op[] {
  const rdt = spec.linux?.intelRdt;
  if (rdt === undefined || facts.resctrl === null) return [];
  const { mount } = facts.resctrl;
  return [
    { op: 'RDT_GROUP', mount, group: groupOf(rdt), flags: RDT.MUST_EXIST, origin: append(AT, 'closID') },
    ...monitor(rdt, RDT.MUST_EXIST),
  ];
}

/** The notes that create left in the state directory say what is to be removed. */
export function removeIntelRdt({ spec, facts }: ProcessScope): Op[] {
  const rdt = spec.linux?.intelRdt;
  if (rdt === undefined || facts.resctrl === null) return [];
  return [
    {
      op: 'RDT_REMOVE',
      mount: facts.resctrl.mount,
      group: groupOf(rdt),
      monitor: SLOT.id,
      origin: append(AT, 'closID'),
    },
  ];
}

/** The two that update has flags for. */
export type RdtChange = Pick<LinuxIntelRdt, 'l3CacheSchema' | 'memBwSchema'>;

/**
 * update: writes other schemata into the container's class, whoever made it. change holds what is asked for; the container
 * must have been created with intelRdt, as runc wants it.
 */
export function updateIntelRdt(scope: Judged, rdt: LinuxIntelRdt | undefined, change: RdtChange): Op[] {
  const lines = schemataOf(change);
  if (lines.length === 0) return [];
  if (rdt === undefined) {
    for (const field of Object.keys(change))
      refuse(scope.report, 'RDT_UNAVAILABLE', append(AT, field), 'the container was created without linux.intelRdt', {
        hint: 'updating a non-existent Intel RDT configuration is not supported: set it in the config of a new container',
      });
    return [];
  }
  const mount = mountOf(scope, change);
  if (mount === undefined) return [];
  return [
    { op: 'RDT_GROUP', mount, group: groupOf(rdt), flags: RDT.MUST_EXIST, origin: append(AT, 'closID') },
    { op: 'RDT_SCHEMATA', lines, flags: RDT.REPLACE, origin: AT },
  ];
}

/** What the class holds now of the resources that op writes, as one write that brings it back. */
export function restoreSchemata(op: Extract<Op, { op: 'RDT_SCHEMATA' }>, schemata: string): Op[] {
  const resource = (line: string) => line.split(':')[0]?.trim() ?? '';
  const written = new Set(op.lines.flatMap((text) => text.split('\n')).map(resource));
  const old = schemata.split('\n').filter((line) => line.trim() !== '' && written.has(resource(line)));
  return old.length === 0 ? [] : [{ ...op, lines: [`${old.map((line) => line.trim()).join('\n')}\n`] }];
}

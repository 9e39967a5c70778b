/**
 * Fields that are valid but that tsrun cannot carry out yet. They are refused by name: a limit or a confinement that
 * somebody asked for is never left out in silence. Values that change nothing pass.
 * seccomp's NOTIFY is refused where its profile is compiled.
 *
 * Pure.
 */
import type { Linux } from '../spec/types.gen.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import type { Context, ProcessScope } from './context.js';
import { type Report, refuse } from './report.js';

const LINUX = pointer('linux');

/** Each returns whether the field asks for something. */
const LINUX_FIELDS: readonly (readonly [field: keyof Linux, asks: (linux: Linux) => boolean])[] = [
  ['timeOffsets', ({ timeOffsets = {} }) => Object.keys(timeOffsets).length > 0],
  ['netDevices', ({ netDevices = {} }) => Object.keys(netDevices).length > 0],
  ['mountLabel', ({ mountLabel = '' }) => mountLabel !== ''],
  ['intelRdt', ({ intelRdt }) => intelRdt !== undefined],
  ['memoryPolicy', ({ memoryPolicy }) => memoryPolicy !== undefined],
  ['personality', ({ personality }) => personality !== undefined && personality.domain !== 'LINUX'],
];

function notYet(report: Report, path: JsonPointer): void {
  refuse(report, 'NOT_YET_SUPPORTED', path, 'is not supported yet');
}

export function checkUnsupported(context: Context): void {
  const linux = context.spec.linux ?? {};
  for (const [field, asks] of LINUX_FIELDS) {
    if (asks(linux)) notYet(context.report, append(LINUX, field));
  }
  for (const [index, { type }] of (linux.namespaces ?? []).entries()) {
    if (type === 'time') notYet(context.report, append(LINUX, 'namespaces', index));
  }
  checkUnsupportedProcess(context);
}

/** execCPUAffinity is about exec alone. */
export function checkUnsupportedProcess({ process, base, report }: ProcessScope, isExec = false): void {
  if (process.scheduler !== undefined) notYet(report, append(base, 'scheduler'));
  if (process.ioPriority !== undefined) notYet(report, append(base, 'ioPriority'));
  const { initial = '', final = '' } = process.execCPUAffinity ?? {};
  if (isExec && initial + final !== '') notYet(report, append(base, 'execCPUAffinity'));
}

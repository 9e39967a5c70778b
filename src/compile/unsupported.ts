/**
 * Fields that are valid but that tsrun cannot carry out yet. They are refused by name: a limit or a confinement that
 * somebody asked for is never left out in silence. Values that change nothing pass.
 *
 * Pure.
 */
import type { Linux } from '../spec/types.gen.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import type { Context } from './context.js';
import { type Report, refuse } from './report.js';

const LINUX = pointer('linux');

/** Each returns whether the field asks for something. */
const LINUX_FIELDS: readonly (readonly [field: keyof Linux, asks: (linux: Linux) => boolean])[] = [
  ['netDevices', ({ netDevices = {} }) => Object.keys(netDevices).length > 0],
  ['intelRdt', ({ intelRdt }) => intelRdt !== undefined],
];

function notYet(report: Report, path: JsonPointer): void {
  refuse(report, 'NOT_YET_SUPPORTED', path, 'is not supported yet');
}

export function checkUnsupported(context: Context): void {
  const linux = context.spec.linux ?? {};
  for (const [field, asks] of LINUX_FIELDS) {
    if (asks(linux)) notYet(context.report, append(LINUX, field));
  }
}

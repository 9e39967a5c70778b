/**
 * linux.cgroupsPath in the form `slice:prefix:name` to the unit that systemd makes, and to the cgroup that this gives.
 *
 * systemd.slice(5), systemd.unit(5) "String Escaping". Pure.
 */
import type { SystemdFacts } from '../../host/facts.js';
import { quote } from '../../util/quote.js';
import { type Report, refuse } from '../report.js';
import { CGROUPS_PATH } from '../resources/cgroup-path.js';

export interface Unit {
  /** With its suffix. */
  readonly name: string;
  /** The third part of the path, or the container's id. */
  readonly title: string;
  readonly slice: string;
  /** Below the cgroup2 mount. */
  readonly path: string;
}

const MAX_NAME = 255;
const FORMAT =
  'cgroupsPath is slice:prefix:name for systemd, such as system.slice:tsrun:name; without --systemd-cgroup it is a path';

/** Unset is `:tsrun:<id>`. undefined when something was refused. */
export function placeUnit(report: Report, cgroupsPath: string, id: string, manager: SystemdFacts): Unit | undefined {
  const parts = cgroupsPath === '' ? ['', 'tsrun', escapeUnit(id)] : cgroupsPath.split(':');
  const [asked = '', prefix = '', title = ''] = parts;
  if (parts.length !== 3 || title === '') return refuseFormat(report, cgroupsPath);
  const slice = asked !== '' ? asked : manager.manager === 'user' ? 'user.slice' : 'system.slice';
  const directories = expandSlice(slice);
  if (directories === undefined)
    return refusePart(report, slice, 'is no name of a slice', 'a slice is named like a-b.slice');
  const name = prefix === '' ? `${title}.scope` : `${prefix}-${title}.scope`;
  if (title.endsWith('.slice')) return refuseSlice(report, title);
  if (!isUnitName(name)) return refusePart(report, name, 'is no name of a unit', unitHint(name));
  const root = manager.root === '/' ? '' : manager.root;
  return { name, title: cgroupsPath === '' ? id : title, slice, path: `${root}${directories}/${name}` };
}

function refuseFormat(report: Report, cgroupsPath: string): undefined {
  const got = quote(cgroupsPath, 256);
  const message = `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${got} instead`;
  refuse(report, 'SYSTEMD_CGROUPS_PATH', CGROUPS_PATH, message, { hint: FORMAT });
}

function refusePart(report: Report, value: string, message: string, hint: string): undefined {
  refuse(report, 'SYSTEMD_UNIT_NAME', CGROUPS_PATH, message, { value, hint });
}

/** systemd puts processes into scopes and services only. */
function refuseSlice(report: Report, value: string): undefined {
  const hint = 'name a scope (slice:prefix:name) and give the slice as the first part';
  refuse(report, 'SYSTEMD_UNIT_NAME', CGROUPS_PATH, 'names a slice, and a slice holds no processes', { value, hint });
}

function isUnitName(name: string): boolean {
  return /^[A-Za-z0-9:_.\\@-]+$/.test(name) && name.length <= MAX_NAME;
}

function unitHint(name: string): string {
  return name.length > MAX_NAME ? `at most ${MAX_NAME} characters` : 'letters, digits and : _ . - @ \\ only';
}

/** A container id may hold a "+", which a unit's name may not. */
function escapeUnit(id: string): string {
  return id.replace(/[^A-Za-z0-9:_.-]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** "a-b.slice" lies below "a.slice": "/a.slice/a-b.slice". "-.slice" is the root: "". undefined: no slice's name. */
export function expandSlice(slice: string): string | undefined {
  if (slice === '-.slice') return '';
  const stem = slice.endsWith('.slice') ? slice.slice(0, -'.slice'.length) : '';
  const parts = stem.split('-');
  if (!isUnitName(slice) || parts.includes('') || slice.includes('@')) return undefined;
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}

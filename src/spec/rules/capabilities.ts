/**
 * Rules of process.capabilities. The spec asks for warnings, not errors, for what cannot be granted.
 *
 * Pure.
 */
import { CAPABILITIES } from '../../util/linux-names.js';
import { quote } from '../../util/quote.js';
import { didYouMean } from '../../util/suggest.js';
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { LinuxCapabilities, Process } from '../types.gen.js';

const rule = rulesOf<Process>();

function knownCapability(name: string, on: Site<Process>): void {
  if (CAPABILITIES.includes(name)) return;
  const hint = didYouMean(name, CAPABILITIES);
  on.warn('UNKNOWN_CAPABILITY', '', 'is no capability of Linux and is ignored', { hint });
}

/** capabilities(7): the effective set must lie in the permitted one. */
function effectiveIsPermitted({ effective = [], permitted = [] }: LinuxCapabilities, on: Site<Process>): void {
  for (const [index, name] of effective.entries()) {
    if (!permitted.includes(name)) ungrantable(`/effective/${index}`, 'is effective but not in permitted', on);
  }
}

/** capabilities(7): the kernel raises an ambient capability only if it is permitted and inheritable. */
function ambientIsInheritable(sets: LinuxCapabilities, on: Site<Process>): void {
  const { ambient = [], permitted = [], inheritable = [] } = sets;
  for (const [index, name] of ambient.entries()) {
    const lacks = [
      ...(permitted.includes(name) ? [] : ['permitted']),
      ...(inheritable.includes(name) ? [] : ['inheritable']),
    ];
    const why = `can't raise ambient capability ${quote(name, 64)}: not in ${lacks.join(' and ')}`;
    if (lacks.length > 0) ungrantable(`/ambient/${index}`, why, on);
  }
}

function ungrantable(at: string, why: string, on: Site<Process>): void {
  on.warn('UNGRANTABLE_CAPABILITY', at, `${why}; it is dropped`);
}

const SETS = ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const;

export const capabilityRules: readonly Rule<Process>[] = [
  ...SETS.map((set) => rule(`/capabilities/${set}/*`, knownCapability)),
  rule('/capabilities', effectiveIsPermitted),
  rule('/capabilities', ambientIsInheritable),
];

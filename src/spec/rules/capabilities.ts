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

/** capabilities(7): an effective capability must be permitted; the kernel raises an ambient one only if it is inheritable too. */
const NEEDS = { effective: ['permitted'], ambient: ['permitted', 'inheritable'] } as const;

/** Names in one warning: buildah has the whole ambient set without the inheritable one, for each step of a build. */
const SHOWN = 3;

function grantable(set: keyof typeof NEEDS): (sets: LinuxCapabilities, on: Site<Process>) => void {
  return (sets, on) => {
    const names = sets[set] ?? [];
    const byLack = new Map<string, number[]>();
    for (const [index, name] of names.entries()) {
      const lack = NEEDS[set].filter((other) => !sets[other]?.includes(name)).join(' and ');
      if (lack !== '') byLack.set(lack, [...(byLack.get(lack) ?? []), index]);
    }
    for (const [lack, indexes] of byLack) {
      const many = indexes.length > 1;
      const shown = indexes.slice(0, SHOWN).map((index) => quote(names[index] ?? '', 64));
      const more = indexes.length > SHOWN ? ` and ${indexes.length - SHOWN} more` : '';
      const why = `can't raise ${set} ${many ? 'capabilities' : 'capability'} ${shown.join(', ')}${more}: not in ${lack}`;
      const at = many ? `/${set}` : `/${set}/${indexes[0]}`;
      on.warn('UNGRANTABLE_CAPABILITY', at, `${why}; ${many ? 'they are' : 'it is'} dropped`);
    }
  };
}

const SETS = ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const;

export const capabilityRules: readonly Rule<Process>[] = [
  ...SETS.map((set) => rule(`/capabilities/${set}/*`, knownCapability)),
  rule('/capabilities', grantable('effective')),
  rule('/capabilities', grantable('ambient')),
];

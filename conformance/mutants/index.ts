/** All mutants. */
import { CONFIG_MUTANTS } from './config.js';
import type { Mutant } from './mutant.js';
import { OPERATION_MUTANTS } from './operations.js';

export const MUTANTS: readonly Mutant[] = [...OPERATION_MUTANTS, ...CONFIG_MUTANTS];

export function findMutant(name: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found === undefined) throw new Error(`there is no mutant '${name}'`);
  return found;
}

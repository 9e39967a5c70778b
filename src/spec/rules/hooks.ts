/**
 * Rules of the hooks (runtime-spec config.md, "POSIX-platform Hooks").
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, Hook } from '../types.gen.js';
import { absolutePath, argumentLength, environmentEntry } from './common.js';

const rule = rulesOf<Config>();

function hookPath({ path }: Hook, on: Site<Config>): void {
  absolutePath(path, on, '/path');
}

function hookArgs({ args }: Hook, on: Site<Config>): void {
  if (args?.length === 0) on.error('EMPTY', '/args', 'must hold argv[0], or be left out');
}

function hookTimeout({ timeout }: Hook, on: Site<Config>): void {
  if (timeout !== undefined && timeout <= 0) on.error('OUT_OF_RANGE', '/timeout', 'must be greater than zero');
}

const HOOKS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;

export const hookRules: readonly Rule<Config>[] = HOOKS.flatMap((hook) => [
  rule(`/hooks/${hook}/*`, hookPath),
  rule(`/hooks/${hook}/*`, hookArgs),
  rule(`/hooks/${hook}/*`, hookTimeout),
  rule(`/hooks/${hook}/*/args/*`, argumentLength),
  rule(`/hooks/${hook}/*/env/*`, environmentEntry),
]);

/**
 * linux.personality and memoryPolicy: what a program gets from the process that executes it, in create and exec alike.
 *
 * OCI runtime-spec, config-linux "Personality", "Memory policy"; personality(2), set_mempolicy(2). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, PERSONALITY_DOMAINS } from '../util/linux-policies.js';
import { numberMask } from '../util/number-list.js';
import { pointer } from '../util/pointer.js';
import type { ProcessScope } from './context.js';

/** LINUX is set too: the caller of the runtime may be running under setarch(8). */
export function compilePersonality({ spec }: ProcessScope): Op[] {
  const personality = spec.linux?.personality;
  if (personality === undefined) return [];
  return [
    { op: 'PERSONALITY', persona: PERSONALITY_DOMAINS[personality.domain], origin: pointer('linux', 'personality') },
  ];
}

/** Late, so that the pages of the set-up, which are not the program's, lie where they like. */
export function compileMemoryPolicy({ spec }: ProcessScope): Op[] {
  const policy = spec.linux?.memoryPolicy;
  if (policy === undefined) return [];
  const flags = (policy.flags ?? []).reduce((bits, flag) => bits | MEMORY_POLICY_FLAGS[flag], 0);
  const mode = MEMORY_POLICY_MODES[policy.mode] | flags;
  return [
    { op: 'MEMORY_POLICY', mode, nodes: numberMask(policy.nodes ?? ''), origin: pointer('linux', 'memoryPolicy') },
  ];
}

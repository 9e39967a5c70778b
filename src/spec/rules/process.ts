/**
 * Rules of the process: arguments, directory, environment, limits, labels (runtime-spec config.md, "Process").
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { CPUAffinity, POSIXRlimit, Process } from '../types.gen.js';
import { capabilityRules } from './capabilities.js';
import { absolutePath, argumentLength, environmentEntry, inRoot, kernelLine, numberList } from './common.js';
import { schedulerRules } from './scheduler.js';

const rule = rulesOf<Process>();

function argsNotEmpty({ args = [] }: Process, on: Site<Process>): void {
  const program = args[0];
  if (program === undefined) on.error('EMPTY', '/args', 'must not be empty');
  else if (program === '') on.error('EMPTY', '/args/0', 'must not be empty: it names the program');
}

function workingDirectory(cwd: string, on: Site<Process>): void {
  if (!absolutePath(cwd, on)) return;
  // CVE-2024-21626: a leaked directory of the host, reached through the runtime's own descriptors.
  if (/^\/proc\/(self|thread-self|[0-9]+)(\/.*)?\/fd(\/|$)/.test(inRoot(cwd))) {
    on.error('DESCRIPTOR_PATH', '', 'must not lead through a file descriptor');
  }
}

function rlimitValues({ soft, hard }: POSIXRlimit, on: Site<Process>): void {
  if (soft > hard) on.error('SOFT_ABOVE_HARD', '/soft', `is above the hard limit ${hard}`);
}

function rlimitsOnce(rlimits: readonly POSIXRlimit[], on: Site<Process>): void {
  for (const [index, { type }] of rlimits.entries()) {
    if (rlimits.findIndex((other) => other.type === type) < index) {
      on.error('DUPLICATE', `/${index}/type`, 'is limited more than once');
    }
  }
}

function affinityLists(affinity: CPUAffinity, on: Site<Process>): void {
  numberList(affinity.initial ?? '', on, '/initial');
  numberList(affinity.final ?? '', on, '/final');
}

export const processRules: readonly Rule<Process>[] = [
  rule('', argsNotEmpty, { needs: ['/args'], shallow: true }),
  rule('/args/*', argumentLength),
  rule('/cwd', workingDirectory),
  rule('/env/*', environmentEntry),
  rule('/rlimits/*', rlimitValues),
  rule('/rlimits', rlimitsOnce),
  rule('/apparmorProfile', kernelLine),
  rule('/selinuxLabel', kernelLine),
  rule('/execCPUAffinity', affinityLists),
  ...capabilityRules,
  ...schedulerRules,
];

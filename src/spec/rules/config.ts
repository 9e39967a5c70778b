/**
 * All rules of a config.json outside its process and its resources.
 *
 * Pure: a table.
 */
import type { Rule } from '../rule.js';
import type { Config } from '../types.gen.js';
import { deviceRules } from './devices.js';
import { hookRules } from './hooks.js';
import { linuxRules } from './linux.js';
import { mountRules } from './mounts.js';
import { namespaceRules } from './namespaces.js';
import { seccompRules } from './seccomp.js';
import { sysctlRules } from './sysctl.js';
import { topRules } from './top.js';

export const configRules: readonly Rule<Config>[] = [
  ...topRules,
  ...mountRules,
  ...hookRules,
  ...namespaceRules,
  ...sysctlRules,
  ...deviceRules,
  ...linuxRules,
  ...seccompRules,
];

/**
 * linux.resources.devices as DevicePolicy and DeviceAllow. The filter itself is tsrun's own (device-filter.ts), which says
 * more than these properties can; they tell systemd, which attaches a filter of its own beside it.
 *
 * systemd.resource-control(5), "DeviceAllow=". Pure.
 */
import type { SystemdFacts } from '../../host/facts.js';
import type { LinuxDeviceCgroup } from '../../spec/types.gen.js';
import { type DeviceRule, deviceRules, isBlock, isUniversal, rulePermissions } from '../device-filter.js';
import type { Property } from './properties.js';

type Entry = readonly [node: string, permissions: string];

/** Nothing when the rules allow everything, or hold what systemd has no words for: a denial, one minor of all majors. */
export function deviceProperties(devices: readonly LinuxDeviceCgroup[], facts: SystemdFacts): Property[] {
  const rules = deviceRules(devices);
  const entries = rules.some(isUniversal) ? undefined : rules.map((rule) => entriesOf(rule, facts));
  if (entries === undefined || !entries.every((entry) => entry !== undefined)) return [];
  return [
    { name: 'DevicePolicy', value: { signature: 's', value: 'strict' } },
    { name: 'DeviceAllow', value: { signature: 'a(ss)', value: entries.flat() } },
  ];
}

/** Both kinds where the rule names none. */
function entriesOf(rule: DeviceRule, facts: SystemdFacts): readonly Entry[] | undefined {
  if (!rule.allow) return undefined;
  const kinds =
    rule.type === null ? (['block', 'char'] as const) : [isBlock(rule) ? ('block' as const) : ('char' as const)];
  const nodes = kinds.map((kind) => nodeOf(kind, rule, facts));
  return nodes.every((node) => node !== undefined) ? nodes.map((node) => [node, rulePermissions(rule)]) : undefined;
}

/** A device by its number, all of a driver by its name in /proc/devices, or all of a kind. */
function nodeOf(kind: 'block' | 'char', { major, minor }: DeviceRule, facts: SystemdFacts): string | undefined {
  if (major === null) return minor === null ? `${kind}-*` : undefined;
  if (minor !== null) return `/dev/${kind}/${major}:${minor}`;
  const driver = facts.drivers[kind][major];
  return driver === undefined ? undefined : `${kind}-${driver}`;
}

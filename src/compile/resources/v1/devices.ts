/**
 * linux.resources.devices to devices.allow and devices.deny of cgroup v1, for a host without cgroup2 and its eBPF filter.
 *
 * The kernel keeps a default and a list of exceptions to it, and takes a rule only against the default: so the rules,
 * of which the last that matches decides, are first brought down to one default and its exceptions.
 *
 * OCI runtime-spec, config-linux "Allowed Device list"; cgroup-v1/devices.rst. Pure.
 */
import type { LinuxDeviceCgroup } from '../../../spec/types.gen.js';
import {
  allowEverything,
  BLOCK,
  CHAR,
  type DeviceRule,
  deviceRules,
  isUniversal,
  rulePermissions,
} from '../../device-filter.js';
import { refuse } from '../../report.js';
import { type Limits, resource, setV1Limit } from '../limits.js';

const TYPES = [BLOCK, CHAR] as const;

/** One type of device; an access of 0 is an exception that later rules have taken away. */
interface Exception {
  readonly type: number;
  readonly major: number | null;
  readonly minor: number | null;
  readonly access: number;
}

export function compileDevicesV1(limits: Limits, devices: readonly LinuxDeviceCgroup[] = []): void {
  const rules = deviceRules(devices);
  if (allowEverything(rules)) return;
  const origin = resource('devices');
  const allowed = rules[0] !== undefined && isUniversal(rules[0]);
  const exceptions = findExceptions(limits, allowed, allowed ? rules.slice(1) : rules);
  const write = (verb: 'allow' | 'deny', value: string) =>
    setV1Limit(limits, 'devices', origin, `devices.${verb}`, value);
  write(allowed ? 'allow' : 'deny', 'a');
  for (const exception of exceptions) write(allowed ? 'deny' : 'allow', text(exception));
}

/** A rule that agrees with the default takes from the exceptions before it what it names. */
function findExceptions(limits: Limits, allowed: boolean, rules: readonly DeviceRule[]): readonly Exception[] {
  let exceptions: readonly Exception[] = [];
  for (const rule of rules) {
    for (const type of rule.type === null ? TYPES : [rule.type]) {
      const { major, minor, access } = rule;
      const one = { type, major, minor, access };
      if (rule.allow !== allowed) exceptions = [...exceptions, one];
      else exceptions = exceptions.flatMap((exception) => takeAway(limits, exception, one));
    }
  }
  return exceptions;
}

/** What is left of the exception. A part of the devices it names cannot be taken out of it: the kernel has no such list. */
function takeAway(limits: Limits, exception: Exception, rule: Exception): readonly Exception[] {
  const within = (of: number | null, all: number | null) => all === null || of === all;
  const apart = (a: number | null, b: number | null) => a !== null && b !== null && a !== b;
  const { type, major, minor, access } = exception;
  if (type !== rule.type || apart(major, rule.major) || apart(minor, rule.minor) || (access & rule.access) === 0)
    return [exception];
  if (!within(major, rule.major) || !within(minor, rule.minor)) {
    refuseOverlap(limits, exception, rule);
    return [exception];
  }
  const left = access & ~rule.access;
  return left === 0 ? [] : [{ ...exception, access: left }];
}

function refuseOverlap({ report }: Limits, exception: Exception, rule: Exception): void {
  const message = `${text(rule)} is an exception within ${text(exception)}, which cgroup v1 cannot express`;
  const hint = 'name the devices one by one, or use a host with cgroup v2';
  refuse(report, 'DEVICE_RULES_OVERLAP', resource('devices'), message, { hint });
}

function text(exception: Exception): string {
  const { type, major, minor } = exception;
  return `${type === BLOCK ? 'b' : 'c'} ${major ?? '*'}:${minor ?? '*'} ${rulePermissions(exception)}`;
}

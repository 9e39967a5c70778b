/**
 * linux.seccomp to the plain rules libseccomp takes: actions as numbers, one rule a name, conditions on the same
 * argument as alternatives, rules that say what the default says left out.
 *
 * OCI runtime-spec, config-linux "Seccomp". Pure.
 */
import type { HostFacts } from '../../host/facts.js';
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, SeccompAction } from '../../spec/types.gen.js';
import { append, type JsonPointer, pointer } from '../../util/pointer.js';
import type { SeccompCondition, SeccompRequest, SeccompRule } from '../../util/seccomp.js';
import { type Report, refuse, warn } from '../report.js';
import { ACTIONS, ARCHITECTURES, OPERATORS } from './tables.js';

export const SECCOMP = pointer('linux', 'seccomp');

/** As many as the kernel takes instructions. libseccomp compares each rule with all before it: 100,000 take minutes. */
const MAX_RULES = 4096;
const MAX_ALTERNATIVES = 256;
const TREE_ABOVE = 32;
const EPERM = 1;
/** SCMP_ARCH_NATIVE: in every filter, named or not. */
const NATIVE = 0;

export interface Normalized {
  readonly request: SeccompRequest;
  /** For each rule of the request the index in linux.seccomp.syscalls. */
  readonly sources: readonly number[];
}

type RuleTable = Map<string, { readonly rule: SeccompRule; readonly source: number }>;

/** What it cannot express goes to report.issues; then the request must not be used. */
export function normalizeProfile(profile: LinuxSeccomp, facts: HostFacts, report: Report): Normalized {
  const defaultAction = actionValue(report, facts, defaultField(profile));
  const table: RuleTable = new Map();
  for (const [source, syscall] of (profile.syscalls ?? []).entries()) {
    const origin = append(SECCOMP, 'syscalls', source);
    const action = actionValue(report, facts, syscallField(syscall, origin));
    if (action !== defaultAction)
      addRules(table, syscall.names, action, conditionSets(report, syscall, origin), source);
    if (table.size > MAX_RULES) {
      refuseSize(report, `make more than ${MAX_RULES} rules`);
      break;
    }
  }
  const rules = [...table.values()];
  const request = {
    defaultAction,
    architectures: [NATIVE, ...(profile.architectures ?? []).map((name) => ARCHITECTURES[name])],
    rules: rules.map(({ rule }) => rule),
    names: [...new Set((profile.syscalls ?? []).flatMap(({ names }) => names))],
    binaryTree: rules.length > TREE_ABOVE,
  };
  return { request, sources: rules.map(({ source }) => source) };
}

export function refuseSize(report: Report, message: string): void {
  refuse(report, 'SECCOMP_TOO_LARGE', append(SECCOMP, 'syscalls'), message);
}

/** The same rule twice counts once: profiles put together from several lists repeat themselves. */
function addRules(
  table: RuleTable,
  names: readonly string[],
  action: number,
  alternatives: readonly (readonly SeccompCondition[])[],
  source: number,
): void {
  for (const conditions of alternatives) {
    const tests = conditions.map(({ index, op, one, two }) => `${index} ${op} ${one} ${two}`).join('\n');
    for (const name of names) {
      const key = `${name}\n${action}\n${tests}`;
      if (!table.has(key)) table.set(key, { rule: { name, action, conditions }, source });
    }
  }
}

interface ActionField {
  readonly action: SeccompAction;
  readonly errnoRet: number | undefined;
  readonly path: JsonPointer;
}

/** Whether an errnoRet fits its action is a rule of spec/. */
function actionValue(report: Report, facts: HostFacts, { action, errnoRet, path }: ActionField): number {
  const { takesData } = ACTIONS[action];
  const value = availableAction(report, facts, path, action);
  return takesData ? value + (errnoRet ?? EPERM) : value;
}

function defaultField(profile: LinuxSeccomp): ActionField {
  const { defaultAction: action, defaultErrnoRet: errnoRet } = profile;
  return { action, errnoRet, path: append(SECCOMP, 'defaultAction') };
}

function syscallField({ action, errnoRet }: LinuxSyscall, origin: JsonPointer): ActionField {
  return { action, errnoRet, path: append(origin, 'action') };
}

/** A kernel without KILL_PROCESS (before 4.14) kills the thread; any other action has no stand-in. */
function availableAction(report: Report, facts: HostFacts, path: JsonPointer, action: SeccompAction): number {
  const { value, kernelName } = ACTIONS[action];
  if (facts.seccomp.actions.includes(kernelName)) return value;
  if (action === 'SCMP_ACT_KILL_PROCESS') {
    const message = 'this kernel cannot kill the process: the thread is killed instead';
    warn(report, 'SECCOMP_ACTION', path, message, { value: action });
    return ACTIONS.SCMP_ACT_KILL_THREAD.value;
  }
  const hint = `it has: ${facts.seccomp.actions.join(', ')}`;
  const message = 'this kernel does not have the action';
  refuse(report, 'SECCOMP_ACTION', path, message, { value: action, hint });
  return value;
}

/**
 * Conditions of one entry must all hold, but libseccomp takes one an argument, and runtimes have always read several on
 * the same argument as alternatives: { arg0 == 1, arg0 == 2, arg1 == 5 } is 1,5 or 2,5.
 */
function conditionSets(
  report: Report,
  syscall: LinuxSyscall,
  origin: JsonPointer,
): readonly (readonly SeccompCondition[])[] {
  const byArgument = new Map<number, SeccompCondition[]>();
  for (const arg of syscall.args ?? []) {
    const same = byArgument.get(arg.index) ?? [];
    byArgument.set(arg.index, [...same, condition(arg)]);
  }
  const count = [...byArgument.values()].reduce((product, same) => product * same.length, 1);
  if (count > MAX_ALTERNATIVES) {
    refuse(report, 'SECCOMP_TOO_LARGE', append(origin, 'args'), `makes ${count} alternatives`);
    return [];
  }
  let sets: SeccompCondition[][] = [[]];
  for (const same of byArgument.values()) sets = sets.flatMap((set) => same.map((one) => [...set, one]));
  return sets;
}

function condition({ index, op, value, valueTwo = 0n }: LinuxSeccompArg): SeccompCondition {
  return { index, op: OPERATORS[op], one: value, two: op === 'SCMP_CMP_MASKED_EQ' ? valueTwo : 0n };
}

// Shared by the tests of compile/: a config as a person writes it, through validation, to a plan or to what was refused.
import { compileExec } from '../../src/compile/exec.js';
import { type Compiled, type CreateOptions, compileCreate } from '../../src/compile/index.js';
import { SpecError, type SpecIssue } from '../../src/errors.js';
import type { HostFacts } from '../../src/host/facts.js';
import type { ListName, Op, OpName } from '../../src/plan/op.gen.js';
import { readDocument } from '../../src/spec/read.js';
import { validateConfig, validateProcess } from '../../src/spec/validate.js';
import { countingServices } from '../golden/host.js';
import type { TestConfig } from '../helpers/config.js';
import { hostFacts } from '../helpers/facts.js';

/** The least that compiles; change is laid over it, linux and process one level deeper. */
export function config(change: TestConfig = {}): TestConfig {
  return {
    ociVersion: '1.3.0',
    root: { path: 'rootfs' },
    ...change,
    process: { user: { uid: 0, gid: 0 }, args: ['sh'], cwd: '/', ...change['process'] },
    linux: { namespaces: [{ type: 'mount' }], ...change['linux'] },
  };
}

const read = (value: unknown) => readDocument(Buffer.from(JSON.stringify(value)), 'config.json');

export interface With {
  readonly facts?: Partial<HostFacts>;
  readonly options?: Partial<CreateOptions>;
}

export function create(change: TestConfig = {}, { facts, options }: With = {}): Compiled {
  const spec = validateConfig(read(config(change))).value;
  const all = { bundle: '/bundle', record: '', noPivot: false, noNewKeyring: false, systemd: null };
  return compileCreate(spec, hostFacts(facts), { ...all, ...options }, countingServices);
}

export function exec(
  process: TestConfig,
  container: TestConfig = {},
  { facts, unit = null }: With & { readonly unit?: string | null } = {},
): Compiled {
  const spec = validateConfig(read(config(container))).value;
  const document = read({ user: { uid: 0, gid: 0 }, args: ['id'], cwd: '/', ...process });
  const target = { spec, bundle: '/bundle', cgroups: [], unit, ownKeyring: true };
  const valid = validateProcess(document).value;
  return compileExec(valid, target, hostFacts(facts), countingServices);
}

/** "CODE /path" of each issue that the compilation throws. */
export function refusals(compile: () => unknown): string[] {
  try {
    compile();
  } catch (error) {
    if (error instanceof SpecError) return error.issues.map(line);
    throw error;
  }
  return [];
}

export const line = ({ code, path }: SpecIssue): string => `${code} ${path}`;

export function ops<N extends OpName>(compiled: Compiled, name: N, list?: ListName): Extract<Op, { op: N }>[] {
  const lists = list === undefined ? Object.values(compiled.plan.lists).flat() : compiled.plan.lists[list];
  return lists.filter((op): op is Extract<Op, { op: N }> => op.op === name);
}

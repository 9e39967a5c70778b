/**
 * What every area of the compiler looks at: the config, the host, the options of the command line, and the process
 * with the place it was read from (`/process` of config.json, or the top of an exec's process.json).
 *
 * Pure.
 */
import type { HostFacts } from '../host/facts.js';
import type { Process } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { asPointer, type JsonPointer, pointer } from '../util/pointer.js';
import { type Namespaces, readNamespaces } from './namespaces.js';
import type { Report } from './report.js';
import type { CompileServices } from './services.js';

export interface CreateOptions {
  /** Absolute. */
  readonly bundle: string;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** Give the program a notify socket at /run/notify/notify.sock. */
  readonly notifySocket?: boolean;
  /** Absolute path of a socket that wants a pidfd of init. */
  readonly pidfdSocket?: string;
  /** The systemd cgroup driver, and the container's id, which the names of its units hold. */
  readonly systemd: { readonly id: string } | null;
  /** Absolute path of the file that will say how init ended. */
  readonly exitFile?: string;
  /** The process as the record has it: what a plain exec is like. None is compiled without. */
  readonly exec?: Process;
  /** Text of state.json, may hold SLOT.id. */
  readonly record: string;
}

/** The process to start and what its set-up depends on; the same for create and exec. */
export interface ProcessScope {
  readonly process: Process;
  /** '/process', or '' for an exec. */
  readonly base: JsonPointer;
  readonly spec: ValidSpec;
  readonly facts: HostFacts;
  readonly namespaces: Namespaces;
  readonly services: CompileServices;
  readonly report: Report;
}

export interface Context extends ProcessScope {
  readonly options: CreateOptions;
}

/** For a config without process: such a container can be created, but its start fails (config.md, "Process"). */
const NO_PROCESS: Process = { user: { uid: 0, gid: 0 }, cwd: '/' };

/** Origin of what no field of the config asked for. */
export const ROOT_ORIGIN = asPointer('');

export function createContext(
  spec: ValidSpec,
  facts: HostFacts,
  options: CreateOptions,
  services: CompileServices,
): Context {
  return {
    spec,
    facts,
    options,
    services,
    process: spec.process ?? NO_PROCESS,
    base: pointer('process'),
    namespaces: readNamespaces(spec),
    report: { issues: [], warnings: [] },
  };
}

const CAPABILITY = { CHOWN: 0n, SETGID: 6n, SETUID: 7n, SYS_ADMIN: 21n, SYS_RESOURCE: 24n } as const;

/** Whether the runtime itself holds CAP_name. */
export function runtimeHas(facts: HostFacts, name: keyof typeof CAPABILITY): boolean {
  return ((facts.capabilities >> CAPABILITY[name]) & 1n) === 1n;
}

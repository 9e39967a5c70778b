/**
 * create: a bundle becomes a container whose first process waits for start. runtime-spec runtime.md, "Create".
 */
import { bundleSource } from '../cache/bundle-source.js';
import { compileCreate } from '../compile/index.js';
import type { HostFacts } from '../host/facts.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import { SLOT } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import type { ValidSpec } from '../spec/valid.js';
import type { ContainerId } from '../state/container-id.js';
import { buildRecord } from '../state/record.js';
import { type Activation, activated, NO_ACTIVATION } from './activation.js';
import { type Bundle, readBundle, warnOf, withPositions } from './bundle.js';
import { type Console, openConsole, sized } from './console.js';
import { type Compiled, remember } from './remember.js';
import { hostFacts, type Runtime, runVerb, type VerbCall } from './runtime.js';
import { traced } from './span.js';

export interface CreateRequest {
  readonly id: ContainerId;
  /** All paths are absolute. */
  readonly bundle: string;
  readonly consoleSocket: string | undefined;
  readonly pidFile: string | undefined;
  readonly pidfdSocket?: string | undefined;
  /** A monitor stays as the container's parent and writes there how it ended; in the foreground the supervisor does. */
  readonly exitFile?: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly preserveFds: number;
  readonly systemdCgroup: boolean;
}

export interface CompileChoices {
  readonly console?: Console;
  readonly activation?: Activation;
  readonly pidfdSocket?: string | undefined;
  readonly exitFile?: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** The container's id, which names its unit; null without --systemd-cgroup. */
  readonly systemd: { readonly id: string } | null;
  /** Of another machine; this one's when not given. */
  readonly facts?: HostFacts;
}

/** What the compiler is given for a bundle. */
export function compileInput(
  runtime: Runtime,
  bundle: Bundle,
  choices: CompileChoices,
): Parameters<typeof compileCreate> {
  const facts = choices.facts ?? traced(runtime, 'look at the host', hostFacts);
  const { spec, path } = bundle;
  const record = buildRecord({
    id: SLOT.id,
    created: SLOT.created,
    bundle: path,
    config: spec,
    systemd: choices.systemd !== null,
  });
  const options = {
    bundle: path,
    noPivot: choices.noPivot,
    noNewKeyring: choices.noNewKeyring,
    systemd: choices.systemd,
    record,
    notifySocket: choices.activation?.notifySocket !== undefined,
    ...(spec.process === undefined ? {} : { exec: spec.process }),
    ...(choices.exitFile === undefined ? {} : { exitFile: choices.exitFile }),
    ...(choices.pidfdSocket === undefined ? {} : { pidfdSocket: choices.pidfdSocket }),
  };
  return [withChoices(spec, choices), facts, options, { seccomp: compileWithLibseccomp }];
}

/** What `tsrun plan` shows and create runs. */
export function compileBundle(runtime: Runtime, bundle: Bundle, choices: CompileChoices): Plan {
  const input = compileInput(runtime, bundle, choices);
  const compiled = traced(runtime, 'compile', () => withPositions(bundle.document, () => compileCreate(...input)));
  warnOf(runtime, compiled.warnings, bundle.document);
  return compiled.plan;
}

/** The record keeps what the config says; this is for the container's own process alone. */
function withChoices(spec: ValidSpec, { console, activation = NO_ACTIVATION }: CompileChoices): ValidSpec {
  const { process } = spec;
  if (process === undefined) return spec;
  const asked = activated(process, activation);
  return { ...spec, process: console === undefined ? asked : sized(asked, console) };
}

export interface Created {
  readonly pid: number;
  readonly console: Console;
}

const flag = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value]);

/** detach: nobody waits for the container here. Throws SpecError, StateError, ExecError, UsageError. */
export async function createContainer(runtime: Runtime, request: CreateRequest, detach: boolean): Promise<Created> {
  const question = runtime.question?.();
  const bundle = readBundle(runtime, request.bundle);
  const terminal = bundle.spec.process?.terminal === true;
  const console = await openConsole({ terminal, detach, socket: request.consoleSocket });
  const activation = runtime.activation?.() ?? NO_ACTIVATION;
  const systemd = request.systemdCgroup ? { id: request.id } : null;
  const exitFile = detach ? request.exitFile : undefined;
  const choices = { ...request, systemd, console, activation, exitFile };
  const plan = compileBundle(runtime, bundle, choices);
  const call: VerbCall = {
    verb: 'create',
    id: request.id,
    cwd: bundle.path,
    plan,
    flags: [...console.flags, ...flag('--pid-file', request.pidFile), ...flag('--exit-file', exitFile)],
    preserveFds: activation.listenFds + request.preserveFds,
    ...(console.send === undefined ? {} : { consoleFd: console.send }),
  };
  const keep = (): void => {
    // The name of a unit that no config gives is made of the id, which no question has.
    const named = systemd === null || (bundle.spec.linux?.cgroupsPath ?? '') !== '';
    if (question === undefined || !named) return;
    const unsaid = systemd === null ? (['systemd', 'resctrl'] as const) : (['resctrl'] as const);
    const source: Compiled['source'] = (quiet) =>
      bundleSource(bundle, plan, (other) => compileBundle(quiet.runtime, other, { ...choices, facts: quiet.facts }));
    traced(runtime, 'remember the plan', () => remember(runtime, question, { facts: hostFacts(), unsaid, source }));
  };
  const { pid } = await runVerb(runtime, call).catch((error: unknown) => {
    if (runtime.rehearsal === true) keep();
    throw error;
  });
  keep();
  return { pid, console };
}

/**
 * What every use case needs: where the state is, whom to warn, and how a failure of the executor is explained. The CLI
 * makes one per command, the daemon keeps one.
 */
import type { Question } from '../cache/question.js';
import type { SpecIssue, TsrunError } from '../errors.js';
import { type Call, callExecutor, judgeHandover, type Outcome, type Stdio } from '../exec/executor.js';
import type { FailureContext } from '../exec/failure.js';
import type { HostFacts } from '../host/facts.js';
import { probeHost } from '../host/probe.js';
import { decodePlan } from '../plan/decode.js';
import type { Plan } from '../plan/plan.js';
import type { ContainerId } from '../state/container-id.js';
import { readStateFile } from '../state/directory.js';
import type { Activation } from './activation.js';
import type { Handover, TakeHandover } from './handover.js';
import { isRootless } from './rootless.js';
import { tracedAsync } from './span.js';
import type { Tracer } from './trace.js';

export interface Runtime {
  /** Absolute. */
  readonly root: string;
  /** Soft RLIMIT_NOFILE of our caller; Node has raised its own. */
  readonly openFiles?: number | undefined;
  /** Of the executor and with it of the container; this process's when not given. */
  readonly stdio?: Stdio | undefined;
  /** What a service manager hands to this command; throws UsageError. */
  readonly activation?: () => Activation;
  /** The argv that starts this program again with the same global options. */
  readonly self?: () => readonly string[];
  /** cause: what the message words, for programs that read the log. */
  readonly warn: (message: string, cause?: SpecIssue | TsrunError) => void;
  readonly debug: (message: string) => void;
  /** Of the first verbs, if the launcher has run them. */
  readonly handover?: TakeHandover;
  /** Directory of the plan cache; undefined: none. */
  readonly cache?: string | undefined;
  /** What the launcher did not find in it; once. */
  readonly question?: () => Question | undefined;
  /** A build warms the code cache by a create that fails: its plan is remembered all the same. */
  readonly rehearsal?: boolean;
  /** --trace */
  readonly tracer?: Tracer | undefined;
}

/** For the supervisor of a foreground container. */
export function reporterOf({ self }: Runtime): readonly string[] {
  return self === undefined ? [] : [...self(), 'delete'];
}

let facts: HostFacts | undefined;

/** The host as it was when this process first asked. */
export function hostFacts(): HostFacts {
  if (facts === undefined) {
    const found = probeHost();
    facts = { ...found, rootless: isRootless(found.rootless) };
  }
  return facts;
}

/** The plan a container was created from; undefined when there is none that can be read. */
function keptPlan(runtime: Runtime, id: ContainerId): () => Plan | undefined {
  let bytes: Buffer | undefined;
  try {
    // Now and not when something fails: delete removes it.
    bytes = readStateFile(runtime.root, id, 'plan');
  } catch {
    return () => undefined;
  }
  return () => (bytes === undefined ? undefined : readable(bytes));
}

function readable(bytes: Buffer): Plan | undefined {
  try {
    return decodePlan(bytes);
  } catch {
    return undefined;
  }
}

export type VerbCall = Omit<Call, 'root' | 'openFiles' | 'stdio' | 'trace'> & { readonly id: ContainerId };

/** Runs one verb of the executor; its warnings are passed on, its failure is thrown in terms of the config. */
export async function runVerb(runtime: Runtime, call: VerbCall): Promise<Outcome> {
  const handover = runtime.handover?.();
  if (handover !== undefined) return takeOver(runtime, call, handover);
  const { full, context } = prepare(runtime, call);
  return tracedAsync(runtime, `executor ${call.verb}`, () => callExecutor(full, context, runtime.warn));
}

function takeOver(
  { debug, warn }: Runtime,
  { verb, id, plan: compiled }: VerbCall,
  handed: Handover,
): Promise<Outcome> {
  const { answer, plan: bytes } = handed;
  const context: FailureContext = { verb, id, plan: () => compiled ?? readable(bytes), facts: hostFacts, debug };
  return judgeHandover(answer, context, warn);
}

function prepare(runtime: Runtime, call: VerbCall) {
  const { plan } = call;
  const context = {
    verb: call.verb,
    id: call.id,
    plan: plan === undefined ? keptPlan(runtime, call.id) : () => plan,
    facts: hostFacts,
    debug: runtime.debug,
  };
  runtime.debug(`executor ${call.verb} ${call.id} ${(call.flags ?? []).join(' ')}`.trimEnd());
  const spans = runtime.tracer?.trace;
  const trace = spans === undefined ? undefined : { spans, fd: spans.open(call.verb, context.plan()) };
  const { root, openFiles, stdio } = runtime;
  return { full: { ...call, root, openFiles, stdio, trace }, context };
}

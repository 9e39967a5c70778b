/**
 * check: everything that create would refuse or warn of, and what the plan would meet on this machine, without doing any
 * of it. The config goes the same way as in create: read, validate, compile.
 */
import { attemptCreate } from '../compile/index.js';
import { SpecError, type SpecIssue, TsrunError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { placed } from '../spec/issues.js';
import type { SourceDocument } from '../spec/read.js';
import { documentName } from '../util/issue.js';
import { type Bundle, readBundleOrConfig } from './bundle.js';
import { checkKernel, checkOps, type Finding } from './check-host.js';
import { compileInput } from './create.js';
import { readFactsFile } from './facts-file.js';
import { SOME_ID } from './plan.js';
import { hostFacts, type Runtime } from './runtime.js';

export type { Finding } from './check-host.js';

export interface CheckRequest {
  /** Absolute; a bundle or a config in one. */
  readonly path: string;
  /** Absolute; facts of another machine. */
  readonly facts: string | undefined;
  readonly systemdCgroup: boolean;
}

export interface Checked {
  /** Name of the file that the findings are about. */
  readonly document: string;
  /** In the order of the file. */
  readonly findings: readonly Finding[];
}

const asFindings = (level: Finding['level'], issues: readonly SpecIssue[]): Finding[] =>
  issues.map((issue) => ({ level, issue }));

/** Adds what a step refuses; the refusal, or undefined. */
function collect(findings: Finding[], step: () => void): SpecError | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    findings.push(...asFindings('error', error.issues), ...asFindings('warning', error.warnings));
    return error;
  }
}

/** No bundle: its config is refused. */
function readAll(
  findings: Finding[],
  runtime: Runtime,
  path: string,
): { readonly bundle: Bundle | undefined; readonly document: string } {
  const read: Bundle[] = [];
  const refusal = collect(findings, () => read.push(readBundleOrConfig(runtime, path, { everyUnknown: true })));
  const [bundle] = read;
  return { bundle, document: bundle?.document.name ?? documentName(refusal?.message ?? '') };
}

function inOrder(findings: readonly Finding[], document: SourceDocument | undefined): Finding[] {
  if (document === undefined) return [...findings];
  const levels = new Map<SpecIssue, Finding['level']>();
  const withPlaces = findings.map(({ level, issue }) => {
    const [found = issue] = placed([issue], document);
    levels.set(found, level);
    return found;
  });
  return placed(withPlaces, document).map((issue) => ({ level: levels.get(issue) ?? 'error', issue }));
}

/** What the compiler refuses, and what the ops that it could compile would meet. */
function checkPlan(runtime: Runtime, bundle: Bundle, facts: HostFacts, request: CheckRequest): Finding[] {
  const systemd = request.systemdCgroup ? { id: SOME_ID } : null;
  const choices = { noPivot: false, noNewKeyring: false, systemd, facts };
  const { plan, issues, warnings } = attemptCreate(...compileInput(runtime, bundle, choices));
  return [
    ...asFindings('error', issues),
    ...asFindings('warning', warnings),
    ...checkOps(plan, facts, request.facts === undefined ? undefined : ['OPEN_ROOTFS']),
  ];
}

/** Throws for what keeps the check from being made: no config, no facts. */
export function checkBundle(runtime: Runtime, request: CheckRequest): Checked {
  const facts = request.facts === undefined ? hostFacts() : readFactsFile(request.facts);
  const findings: Finding[] = [...checkKernel(facts)];
  const listening: Runtime = {
    ...runtime,
    warn: (message, cause) => {
      if (cause === undefined || cause instanceof TsrunError) runtime.warn(message);
      else findings.push({ level: 'warning', issue: cause });
    },
  };
  const { bundle, document } = readAll(findings, listening, request.path);
  if (bundle !== undefined) collect(findings, () => findings.push(...checkPlan(listening, bundle, facts, request)));
  return { document, findings: inOrder(findings, bundle?.document) };
}

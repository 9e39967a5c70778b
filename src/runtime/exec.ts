/**
 * exec: another process in a running container. A plan too: join the container's namespaces, then the tail of create.
 */
import { type ProcessFile, processSource } from '../cache/process-source.js';
import { compileExec } from '../compile/exec.js';
import { UsageError } from '../errors.js';
import { adoptOrphans, superviseInPlace } from '../exec/executor.js';
import type { HostFacts } from '../host/facts.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import type { Plan } from '../plan/plan.js';
import { documentOf, readDocument, type SourceDocument } from '../spec/read.js';
import type { ValidProcess } from '../spec/valid.js';
import { validateProcess } from '../spec/validate.js';
import type { ContainerId } from '../state/container-id.js';
import { readStateFile } from '../state/directory.js';
import { readHostFile } from '../util/file.js';
import { formatIssue } from '../util/issue.js';
import { warnOf, withPositions } from './bundle.js';
import { openConsole, sized } from './console.js';
import { type Container, parseState, readContainer } from './container.js';
import { readSubCgroups } from './exec-cgroup.js';
import { changeProcess, type ProcessChanges } from './exec-process.js';
import { type Compiled, remember } from './remember.js';
import { hostFacts, type Runtime, runVerb } from './runtime.js';
import { traced } from './span.js';

const MAX_PROCESS_BYTES = 1024 * 1024;

export interface ExecRequest {
  readonly id: ContainerId;
  /** Absolute path of a process.json, or the changes to the container's own process. */
  readonly process: string | ProcessChanges;
  readonly detach: boolean;
  readonly ignorePaused: boolean;
  readonly cgroup: readonly string[];
  readonly consoleSocket: string | undefined;
  readonly pidFile: string | undefined;
  readonly pidfdSocket: string | undefined;
  readonly preserveFds: number;
}

const NO_BYTES = Buffer.alloc(0);

/** bytes: of the file, if it is one. */
interface Asked {
  readonly document: SourceDocument;
  readonly bytes: Buffer;
}

function readAsked(container: Container, process: ExecRequest['process']): Asked {
  if (typeof process === 'string') {
    const bytes = readHostFile(process, '--process', { max: MAX_PROCESS_BYTES, pipe: true });
    return { bytes, document: readDocument(bytes, 'process.json') };
  }
  const base = container.spec.process;
  if (base !== undefined)
    return { bytes: NO_BYTES, document: documentOf(changeProcess(base, process), 'command line') };
  throw new UsageError('the container has no process to take over settings from: use --process', '--process');
}

export function readProcess(runtime: Runtime, document: SourceDocument): ValidProcess {
  const { value, warnings } = validateProcess(document);
  for (const issue of warnings) runtime.warn(formatIssue(issue, document.name), issue);
  return value;
}

type Wanted = Pick<ExecRequest, 'pidfdSocket' | 'cgroup'> & {
  readonly process: ValidProcess;
  /** This machine's when not given. */
  readonly facts?: HostFacts;
};

export function compileProcess(runtime: Runtime, container: Container, document: SourceDocument, wanted: Wanted): Plan {
  const { process, pidfdSocket, cgroup, facts = hostFacts() } = wanted;
  const target = { ...container, pidfdSocket, subCgroups: readSubCgroups(cgroup, container.cgroups) };
  const compiled = withPositions(document, () =>
    compileExec(process, target, facts, { seccomp: compileWithLibseccomp }),
  );
  warnOf(runtime, compiled.warnings, document);
  return compiled.plan;
}

/**
 * Of systemd the question tells whether it runs, and that is enough: a cache is for the system's root alone, and the units
 * of the system's manager are not what exec joins (joinUnit).
 */
function sourceOf(
  container: Container,
  file: ProcessFile,
  plan: Plan,
  request: Pick<ExecRequest, 'pidfdSocket' | 'cgroup'>,
): Compiled['source'] {
  return ({ runtime, facts }) => {
    const record = readStateFile(runtime.root, container.id, 'state.json').toString('utf8');
    return processSource({ ...container, record }, file, plan, (cgroups, text, document) => {
      const other = { ...container, ...parseState(container.id, Buffer.from(text)), cgroups };
      return compileProcess(runtime, other, document, { ...request, process: readProcess(runtime, document), facts });
    });
  };
}

export interface Execed {
  readonly pid: number;
}

/** Resolves only when detached; otherwise this process becomes the supervisor and exits with the program's status. */
export async function execInContainer(runtime: Runtime, request: ExecRequest): Promise<Execed> {
  const { id, detach, pidFile } = request;
  const container = traced(runtime, 'read the state', () => readContainer(runtime, id));
  const question = runtime.question?.();
  const { document, bytes } = readAsked(container, request.process);
  const process = readProcess(runtime, document);
  const console = await openConsole({ terminal: process.terminal === true, detach, socket: request.consoleSocket });
  const plan = traced(runtime, 'compile', () =>
    compileProcess(runtime, container, document, { ...request, process: sized(process, console) }),
  );
  if (!detach) adoptOrphans();
  const { pid } = await runVerb(runtime, {
    verb: 'exec',
    id,
    plan,
    flags: [
      ...console.flags,
      ...(pidFile === undefined ? [] : ['--pid-file', pidFile]),
      ...(request.ignorePaused ? ['--ignore-paused'] : []),
    ],
    preserveFds: request.preserveFds,
    ...(console.send === undefined ? {} : { consoleFd: console.send }),
  });
  if (question !== undefined && typeof request.process === 'string') {
    const file = { path: request.process, bytes, terminal: process.terminal === true };
    const source = sourceOf(container, file, plan, request);
    traced(runtime, 'remember the plan', () =>
      remember(runtime, question, { facts: hostFacts(), unsaid: ['resctrl'], source }),
    );
  }
  if (detach) return { pid };
  runtime.tracer?.finish();
  superviseInPlace({ pid, ...(console.receive === undefined ? {} : { consoleFd: console.receive }) });
}

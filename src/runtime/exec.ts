/**
 * exec: another process in a running container. A plan too: join the container's namespaces, then the tail of create.
 */
import { compileExec } from '../compile/exec.js';
import { UsageError } from '../errors.js';
import { adoptOrphans, superviseInPlace } from '../exec/executor.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import type { Plan } from '../plan/plan.js';
import { documentOf, readDocument, type SourceDocument } from '../spec/read.js';
import type { ValidProcess } from '../spec/valid.js';
import { validateProcess } from '../spec/validate.js';
import type { ContainerId } from '../state/container-id.js';
import { readHostFile } from '../util/file.js';
import { formatIssue } from '../util/issue.js';
import { warnOf, withPositions } from './bundle.js';
import { openConsole, sized } from './console.js';
import { type Container, readContainer } from './container.js';
import { readSubCgroups } from './exec-cgroup.js';
import { changeProcess, type ProcessChanges } from './exec-process.js';
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

function processDocument(container: Container, process: ExecRequest['process']): SourceDocument {
  if (typeof process === 'string') {
    return readDocument(readHostFile(process, '--process', { max: MAX_PROCESS_BYTES, pipe: true }), 'process.json');
  }
  const base = container.spec.process;
  if (base !== undefined) return documentOf(changeProcess(base, process), 'command line');
  throw new UsageError('the container has no process to take over settings from: use --process', '--process');
}

export function readProcess(runtime: Runtime, document: SourceDocument): ValidProcess {
  const { value, warnings } = validateProcess(document);
  for (const issue of warnings) runtime.warn(formatIssue(issue, document.name), issue);
  return value;
}

type Wanted = Pick<ExecRequest, 'pidfdSocket' | 'cgroup'> & { readonly process: ValidProcess };

export function compileProcess(runtime: Runtime, container: Container, document: SourceDocument, wanted: Wanted): Plan {
  const { process, pidfdSocket, cgroup } = wanted;
  const target = { ...container, pidfdSocket, subCgroups: readSubCgroups(cgroup, container.cgroups) };
  const compiled = withPositions(document, () =>
    compileExec(process, target, hostFacts(), { seccomp: compileWithLibseccomp }),
  );
  warnOf(runtime, compiled.warnings, document);
  return compiled.plan;
}

export interface Execed {
  readonly pid: number;
}

/** Resolves only when detached; otherwise this process becomes the supervisor and exits with the program's status. */
export async function execInContainer(runtime: Runtime, request: ExecRequest): Promise<Execed> {
  const { id, detach, pidFile } = request;
  const container = traced(runtime, 'read the state', () => readContainer(runtime, id));
  const document = processDocument(container, request.process);
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
  if (detach) return { pid };
  runtime.tracer?.finish();
  superviseInPlace({ pid, ...(console.receive === undefined ? {} : { consoleFd: console.receive }) });
}

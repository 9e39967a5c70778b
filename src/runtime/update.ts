/** update: new limits for a container that exists. Not in runtime-spec; the behaviour is runc's (update.go). */
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { groupOf, type RdtChange } from '../compile/intel-rdt.js';
import { compileUpdate } from '../compile/update.js';
import { SpecError, StateError, TsrunError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { addon } from '../native/addon.js';
import { SLOT } from '../plan/op.gen.js';
import { mergeResources } from '../spec/merge.js';
import { settlePidsLimit } from '../spec/pids-limit.js';
import type { SourceDocument } from '../spec/read.js';
import type { LinuxIntelRdt, LinuxResources } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { validateResources } from '../spec/validate.js';
import type { ContainerId } from '../state/container-id.js';
import { buildRecord } from '../state/record.js';
import { formatIssue } from '../util/issue.js';
import type { JsonPointer } from '../util/pointer.js';
import { quote } from '../util/quote.js';
import { warnOf, withPositions } from './bundle.js';
import { readCgroupFile } from './cgroup-dir.js';
import { type Container, readContainer } from './container.js';
import { hostFacts, type Runtime, runVerb } from './runtime.js';

export interface UpdateRequest {
  readonly id: ContainerId;
  /** A LinuxResources object. */
  readonly resources: SourceDocument;
  /** Not among the resources of OCI, but of runc's update. */
  readonly intelRdt: RdtChange;
  /** From a place in the resources, or in the config for intelRdt, to how the user wrote it. */
  readonly rename: (path: JsonPointer) => JsonPointer;
}

const LOCK = { exclusive: 2, nonblocking: 4 } as const;
const LOCK_TRIES = 1000;
const LOCK_PAUSE_MS = 10;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && Math.abs(Number(error.errno)) === 11;
}

async function lock(fd: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      addon().flock(fd, LOCK.exclusive | LOCK.nonblocking);
      return;
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (tries === LOCK_TRIES)
        throw new TsrunError('EXEC_FAILED', 'another tsrun command is working on this container', { cause: error });
      await sleep(LOCK_PAUSE_MS);
    }
  }
}

/** The lock of the state directory, which start and delete take too: two updates must not lose each other's. */
async function locked<T>(runtime: Runtime, id: ContainerId, work: () => Promise<T>): Promise<T> {
  let fd: number;
  try {
    fd = openSync(join(runtime.root, id), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    throw new StateError('CONTAINER_NOT_FOUND', id, `container does not exist: ${quote(id)}`);
  }
  try {
    await lock(fd);
    return await work();
  } finally {
    closeSync(fd);
  }
}

function renamed<T>({ rename, resources }: UpdateRequest, validate: () => T): T {
  try {
    return validate();
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    const issues = error.issues.map((issue) => ({ ...issue, path: rename(issue.path) }));
    throw new SpecError(issues, resources.name);
  }
}

function withResources({ linux, ...spec }: ValidSpec, resources: LinuxResources, rdt: RdtChange): unknown {
  const intelRdt = linux?.intelRdt && { intelRdt: { ...linux.intelRdt, ...rdt } };
  return { ...spec, linux: { ...linux, resources, ...intelRdt } };
}

/** The schemata file of the container's class, as it is when the update begins. */
function liveSchemata(facts: HostFacts, id: ContainerId, rdt: LinuxIntelRdt | undefined): string | undefined {
  if (facts.resctrl === null || rdt === undefined) return undefined;
  return readCgroupFile(join(facts.resctrl.mount, groupOf(rdt).replaceAll(SLOT.id, id)), 'schemata');
}

/** The files of the container's cgroups, as they are when the update begins. */
function liveFiles({ id, cgroups }: Container): (hierarchy: number, file: string) => string | undefined {
  const places = cgroups.map(
    ({ hierarchy, mount, path }) => [hierarchy, join(mount, path.replaceAll(SLOT.id, id))] as const,
  );
  const directories = new Map(places);
  return (hierarchy, file) => {
    const directory = directories.get(hierarchy);
    // A file of a unified entry may be one that only takes writes.
    return directory === undefined || file.includes('/') ? undefined : readCgroupFile(directory, file);
  };
}

/** Throws SpecError, StateError, ExecError; then all limits are as they were. */
export async function updateContainer(runtime: Runtime, request: UpdateRequest): Promise<void> {
  const { id } = request;
  await locked(runtime, id, () => apply(runtime, request, readContainer(runtime, id)));
}

async function apply(runtime: Runtime, request: UpdateRequest, container: Container): Promise<void> {
  const { id, resources: document, intelRdt: rdt, rename } = request;
  const { spec, bundle, cgroups, unit } = container;
  const current = spec.linux?.resources ?? {};
  const { value, warnings } = renamed(request, () => validateResources(document, current));
  const named = settlePidsLimit(value, spec.ociVersion);
  for (const issue of warnings) runtime.warn(formatIssue({ ...issue, path: rename(issue.path) }, document.name));
  const onlyRdt = Object.keys(named).length === 0 && Object.keys(rdt).length > 0;
  if (cgroups.length === 0 && !onlyRdt) {
    const message = `cgroup not exist: the container has none of its own: ${quote(id)}`;
    throw new StateError('CONTAINER_STATE', id, message);
  }
  const config = withResources(spec, mergeResources(current, named), rdt);
  const record = buildRecord({ id: SLOT.id, created: SLOT.created, bundle, systemd: unit !== null, config });
  const facts = hostFacts();
  const intelRdt = spec.linux?.intelRdt;
  const schemata = liveSchemata(facts, id, intelRdt);
  const target = { current, places: cgroups, unit, live: liveFiles(container), record, intelRdt, schemata };
  const change = { resources: named, intelRdt: rdt };
  const compiled = withPositions(document, () => compileUpdate(change, target, facts, rename));
  warnOf(runtime, compiled.warnings, document);
  await run(runtime, id, compiled.plan);
}

/** Whatever the executor warns of is a value that it could not bring back. */
async function run(runtime: Runtime, id: ContainerId, plan: ReturnType<typeof compileUpdate>['plan']): Promise<void> {
  const lost: string[] = [];
  try {
    await runVerb({ ...runtime, warn: (message) => lost.push(message) }, { verb: 'update', id, plan });
  } catch (error) {
    for (const message of lost) runtime.warn(`Setting back cgroup configs failed due to error: ${message}`);
    // An executor that was killed has no verdict, and has set nothing back.
    const judged = error instanceof TsrunError && error.operation !== undefined;
    const refused = judged && !(error instanceof StateError);
    if (refused && lost.length === 0) runtime.warn('the update was refused; the limits of before are set back');
    throw error;
  }
}

/**
 * restore: a container comes back from the images of a checkpoint. The executor makes what create would make and starts
 * CRIU inside it; this side talks to CRIU and tells the executor which process is the container's first.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CRIU_FDS, compileRestore } from '../compile/restore.js';
import { rootfsPath } from '../compile/rootfs.js';
import { type CriuOptions, REQUEST, type Response } from '../criu/messages.js';
import { criuFailure, criuPath, findCriu, requireFeatures } from '../criu/program.js';
import { converse, type Notification } from '../criu/session.js';
import { TsrunError, UsageError } from '../errors.js';
import { adoptOrphans, type Outcome, superviseInPlace } from '../exec/executor.js';
import { addon } from '../native/addon.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import { SLOT } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import { buildRecord } from '../state/record.js';
import { describeSystemError } from '../util/errno.js';
import { quote } from '../util/quote.js';
import { type Bundle, readBundle, warnOf, withPositions } from './bundle.js';
import { openConsole } from './console.js';
import type { CreateRequest } from './create.js';
import { type CriuChoices, commonOptions, joinedNamespaces, outsideMounts, refuseRootless } from './criu-choices.js';
import { makeDirectory, readDescriptors } from './criu-images.js';
import { hostFacts, type Runtime, reporterOf, runVerb } from './runtime.js';

export interface RestoreRequest extends CriuChoices, Omit<CreateRequest, 'preserveFds'> {
  readonly detach: boolean;
  readonly lsmProfile: string | undefined;
  readonly lsmMountContext: string | undefined;
}

/** Resolves only when detached; otherwise this process becomes the supervisor and exits with the program's status. */
export async function restoreContainer(runtime: Runtime, request: RestoreRequest): Promise<void> {
  const { id, detach } = request;
  refuseRootless(hostFacts(), 'restore');
  const bundle = readBundle(runtime, request.bundle);
  const terminal = bundle.spec.process?.terminal === true;
  const console = await openConsole({ terminal, detach, socket: request.consoleSocket });
  const { plan, external } = compile(runtime, bundle, request);
  if (request.lazyPages) requireFeatures({ lazyPages: true });
  if (!detach) adoptOrphans();
  const mounts = outsideMounts(external, id);
  const options = { ...restoreOptions(request, bundle), externalMounts: mounts };
  makeDirectory(request.workPath, '--work-path');
  const flags = [...console.flags, ...(request.pidFile === undefined ? [] : ['--pid-file', request.pidFile])];
  const send = console.send === undefined ? {} : { consoleFd: console.send };
  const pid = await restore(runtime, request, { bundle, plan, options, flags, send });
  if (detach) return;
  const consoleFd = console.receive === undefined ? {} : { consoleFd: console.receive };
  const container = { root: runtime.root, id, keep: false, exitFile: undefined, reporter: reporterOf(runtime) };
  superviseInPlace({ pid, ...consoleFd, container });
}

function compile(runtime: Runtime, bundle: Bundle, request: RestoreRequest): Compiled {
  const { spec, path } = bundle;
  const options = {
    bundle: path,
    noPivot: request.noPivot,
    noNewKeyring: request.noNewKeyring,
    systemd: request.systemdCgroup ? { id: request.id } : null,
    ...(spec.process === undefined ? {} : { exec: spec.process }),
    record: buildRecord({
      id: SLOT.id,
      created: SLOT.created,
      bundle: path,
      config: spec,
      systemd: request.systemdCgroup,
    }),
    images: request.imagePath,
    work: request.workPath,
    criu: findCriu(),
    path: criuPath(),
  };
  const compiled = withPositions(bundle.document, () =>
    compileRestore(spec, hostFacts(), options, { seccomp: compileWithLibseccomp }),
  );
  warnOf(runtime, compiled.warnings, bundle.document);
  return compiled;
}

type Compiled = ReturnType<typeof compileRestore>;

const RESTORE_LOG = 'restore.log';

function restoreOptions(request: RestoreRequest, { spec, path }: Bundle): CriuOptions {
  const namespaces = joinedNamespaces(spec).map(({ key }, index) => ({ key, fd: FIRST_NAMESPACE_FD + index }));
  return {
    ...commonOptions(request, spec),
    imagesDirectory: CRIU_FDS.images,
    workDirectory: CRIU_FDS.work,
    logFile: RESTORE_LOG,
    root: rootfsPath(spec, path),
    restoreSibling: true,
    inheritFds: [...readDescriptors(request.imagePath), ...namespaces],
    ...(request.lsmProfile === undefined ? {} : { lsmProfile: request.lsmProfile }),
    ...(request.lsmMountContext === undefined ? {} : { lsmMountContext: request.lsmMountContext }),
  };
}

/** Of CRIU, after stdio. */
const FIRST_NAMESPACE_FD = 3;

interface Attempt {
  readonly bundle: Bundle;
  readonly plan: Plan;
  readonly options: CriuOptions;
  readonly flags: readonly string[];
  readonly send: { readonly consoleFd?: number };
}

/** The pid. Whatever fails, the executor undoes what it made as soon as our end of its socket is closed. */
function restore(runtime: Runtime, request: RestoreRequest, attempt: Attempt): Promise<number> {
  const { bundle, plan, flags, send } = attempt;
  const [executor, theirs] = addon().socketpair('seqpacket');
  const namespaces = joinedNamespaces(bundle.spec).map(({ path }) => openNamespace(path));
  const ended = runVerb(runtime, {
    verb: 'create',
    id: request.id,
    cwd: bundle.path,
    plan,
    flags,
    programFds: namespaces,
    adoptFd: theirs,
    ...send,
  });
  for (const fd of [theirs, ...namespaces]) closeSync(fd);
  return conclude(request, attempt, executor, ended);
}

async function conclude(
  request: RestoreRequest,
  { options }: Attempt,
  executor: number,
  ended: Promise<Outcome>,
): Promise<number> {
  let failure: unknown;
  try {
    talk(request, options, executor);
  } catch (error) {
    failure = error;
  } finally {
    closeSync(executor);
  }
  try {
    const { pid } = await ended;
    if (failure === undefined) return pid;
  } catch (error) {
    // The executor's own failure comes first; that we hung up on it is only a consequence of CRIU's.
    if (failure === undefined || failure instanceof HungUp) throw error;
  }
  throw failure;
}

/** The executor has closed its socket: it has a verdict. */
class HungUp extends Error {}

function openNamespace(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new TsrunError('IO', `namespace ${quote(path)}: ${describeSystemError(error)}`, { cause: error });
  }
}

/** pid, little endian */
function pidBytes(pid: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(pid);
  return bytes;
}

/** CRIU's cgroups by controller, as restored tasks are to have them in place of those in the images. */
function cgroupRoots(pid: number): { controller: string; path: string }[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trimEnd().split('\n');
  return lines.flatMap((line) => {
    const [, controllers = '', ...path] = line.split(':');
    return controllers.split(',').map((controller) => ({ controller, path: path.join(':') }));
  });
}

/** What CRIU is, and the socket it listens on. */
function meetCriu(executor: number): { pid: number; socket: number } {
  const { fd, bytes } = addon().receiveFd(executor);
  if (fd === null || bytes.length !== 4) throw new HungUp('the executor has ended');
  return { pid: bytes.readInt32LE(), socket: fd };
}

function talk(request: RestoreRequest, options: CriuOptions, executor: number): void {
  const criu = meetCriu(executor);
  const terminal: { master?: number } = {};
  let adopted = false;
  const adopt = (pid: number) => {
    if (adopted || pid <= 0) return;
    writeSync(executor, pidBytes(pid));
    if (addon().receiveFd(executor).bytes.length === 0) throw new HungUp('the executor has ended');
    adopted = true;
  };
  const onNotify = ({ script, pid, fd }: Notification) => {
    if (script === 'orphan-pts-master' && fd !== null) terminal.master = fd;
    if (script === 'setup-namespaces' || script === 'post-restore') adopt(pid);
  };
  try {
    const withRoots = { ...options, cgroupRoots: cgroupRoots(criu.pid) };
    const response = converse(criu.socket, { type: REQUEST.RESTORE, options: withRoots }, onNotify);
    finish(request, response, adopted, executor, terminal.master);
  } finally {
    closeSync(criu.socket);
  }
}

function finish(
  request: RestoreRequest,
  response: Response | undefined,
  adopted: boolean,
  executor: number,
  master: number | undefined,
): void {
  if (response?.success !== true || !adopted)
    throw criuFailure('restore', response, join(request.workPath, RESTORE_LOG));
  if (master === undefined) writeSync(executor, 'D');
  else addon().sendFd(executor, master, 'D');
}

export function checkLsm(profile: string | undefined): void {
  if (profile === undefined || /^(apparmor|selinux):./.test(profile)) return;
  throw new UsageError(
    `--lsm-profile: ${quote(profile, 64)} is not of the form TYPE:NAME`,
    '--lsm-profile',
    'TYPE is apparmor or selinux',
  );
}

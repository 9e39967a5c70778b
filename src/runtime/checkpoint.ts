/**
 * checkpoint: CRIU saves the container's processes into a directory. Unless they are left running the container is then
 * deleted, as runc does it.
 */
import { closeSync, existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { compileCreate } from '../compile/index.js';
import { DEV_NULL, type ExternalMount, externalMounts } from '../compile/restore.js';
import { type CriuOptions, REQUEST } from '../criu/messages.js';
import { criuFailure, requireFeatures, startCriu } from '../criu/program.js';
import { converse } from '../criu/session.js';
import { StateError, TsrunError, UsageError } from '../errors.js';
import { parseMountinfo } from '../host/parse.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import type { ContainerId } from '../state/container-id.js';
import { quote } from '../util/quote.js';
import { type Container, readContainer } from './container.js';
import { type CriuChoices, commonOptions, joinedNamespaces, outsideMounts, refuseRootless } from './criu-choices.js';
import { isExternalFile, stdioKeys, withDirectories, writeDescriptors } from './criu-images.js';
import { deleteContainer } from './delete.js';
import { hostFacts, type Runtime } from './runtime.js';
import { readState } from './state.js';

export interface CheckpointRequest extends CriuChoices {
  readonly id: ContainerId;
  /** Relative to imagePath. */
  readonly parentPath: string | undefined;
  readonly leaveRunning: boolean;
  readonly tcpSkipInFlight: boolean;
  readonly linkRemap: boolean;
  readonly statusFd: number | undefined;
  /** "ADDRESS:PORT" */
  readonly pageServer: string | undefined;
  readonly preDump: boolean;
}

/** Throws TsrunError CRIU_FAILED with the last errors of CRIU's log; the container then runs on. */
export async function checkpointContainer(runtime: Runtime, request: CheckpointRequest): Promise<void> {
  const { id, preDump } = request;
  refuseRootless(hostFacts(), 'checkpoint');
  const container = readContainer(runtime, id);
  requireOwnMounts(container);
  const pid = await runningPid(runtime, id);
  requireFeatures({ memoryTracking: preDump, lazyPages: request.lazyPages });
  const stdio = stdioKeys(runtime, id, container.spec.process?.terminal === true);
  // Whatever is refused is refused before a directory is made.
  const options = { ...dumpOptions(request, container, pid), ...externals(container, pid, stdio) };
  withDirectories(request, (images, work) => {
    if (!preDump) writeDescriptors(request.imagePath, stdio);
    dump(request, { ...options, imagesDirectory: images, workDirectory: work });
  });
  if (!preDump && !request.leaveRunning) await deleteContainer(runtime, id, { force: true });
}

function requireOwnMounts({ id, spec }: Container): void {
  if (spec.linux?.namespaces?.some(({ type }) => type === 'mount')) return;
  const hint = 'create it with {"type": "mount"} in linux.namespaces';
  throw new TsrunError(
    'HOST_UNSUPPORTED',
    `cannot checkpoint a container in the host's mount namespace: ${quote(id)}`,
    {
      hint,
    },
  );
}

async function runningPid(runtime: Runtime, id: ContainerId): Promise<number> {
  const { status, pid } = await readState(runtime, id);
  if (status === 'running' || status === 'paused') return pid;
  throw new StateError('CONTAINER_STATE', id, `cannot checkpoint a container in the ${status} state: ${quote(id)}`);
}

function dump(request: CheckpointRequest, options: CriuOptions): void {
  const { socket } = startCriu();
  try {
    const type = request.preDump ? REQUEST.PRE_DUMP : REQUEST.DUMP;
    const response = converse(socket, { type, options }, () => {});
    if (response?.success !== true) throw criuFailure('dump', response, join(request.workPath, DUMP_LOG));
  } finally {
    closeSync(socket);
  }
}

const DUMP_LOG = 'dump.log';

type Options = Omit<CriuOptions, 'imagesDirectory' | 'workDirectory'>;

function dumpOptions(request: CheckpointRequest, container: Container, pid: number): Options {
  const server = pageServer(request.pageServer);
  return {
    ...commonOptions(request, container.spec),
    pid,
    logFile: DUMP_LOG,
    leaveRunning: request.leaveRunning || request.preDump,
    tcpSkipInFlight: request.tcpSkipInFlight,
    linkRemap: request.linkRemap,
    externalMounts: outsideMounts(outside(container, pid), container.id).map(({ key }) => ({ key, value: key })),
    ...parentImages(request),
    ...(request.preDump ? { trackMemory: true } : {}),
    ...(request.statusFd === undefined ? {} : { statusFd: request.statusFd }),
    ...(server === undefined ? {} : { pageServer: server }),
  };
}

/**
 * Directories are masked with a file system of the container's own, files with the host's device: only the latter
 * come from outside.
 */
function outside(container: Container, pid: number): ExternalMount[] {
  const mounted = parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
  const devices = new Set(mounted.filter(({ root }) => root.endsWith('/null')).map(({ point }) => point));
  return boundMounts(container).filter(({ source, dest }) => source !== DEV_NULL || devices.has(dest));
}

/** Compiled anew: a container that was restored has a plan of another kind. */
function boundMounts({ id, spec, bundle, unit }: Container): ExternalMount[] {
  const systemd = unit === null ? null : { id };
  const options = { bundle, noPivot: false, noNewKeyring: false, systemd, record: '' };
  return externalMounts(compileCreate(spec, hostFacts(), options, { seccomp: compileWithLibseccomp }).plan);
}

/** Namespaces and files that belong to the host; restore is told what takes their place. */
function externals({ spec }: Container, pid: number, stdio: readonly string[]): Pick<CriuOptions, 'external'> {
  const namespaces = joinedNamespaces(spec).map(({ file, key }) => {
    return `${file}[${statSync(`/proc/${pid}/ns/${file}`).ino}]:${key}`;
  });
  return { external: [...namespaces, ...new Set(stdio.filter(isExternalFile))] };
}

/** CRIU looks for it from the images' directory, and so does whoever moves both elsewhere. */
function parentImages({ parentPath, imagePath }: CheckpointRequest): Pick<CriuOptions, 'parentImages' | 'trackMemory'> {
  if (parentPath === undefined) return {};
  const flag = '--parent-path';
  if (isAbsolute(parentPath)) {
    throw new UsageError(`${flag}: ${quote(parentPath)} must be relative to --image-path`, flag);
  }
  if (!existsSync(join(imagePath, parentPath))) {
    throw new UsageError(`${flag}: there is no ${quote(parentPath)} in ${quote(imagePath)}`, flag);
  }
  return { parentImages: parentPath, trackMemory: true };
}

function pageServer(text: string | undefined): { address: string; port: number } | undefined {
  if (text === undefined) return undefined;
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (colon > 0 && Number.isInteger(port) && port > 0 && port < 65536) return { address: text.slice(0, colon), port };
  throw new UsageError(`--page-server: ${quote(text, 64)} is not of the form ADDRESS:PORT`, '--page-server');
}

/** A descriptor that our caller has opened for us. */
export function readStatusFd(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const fd = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  if (fd > 2 && existsSync(`/proc/self/fd/${fd}`)) return fd;
  throw new UsageError(`--status-fd: ${quote(text, 64)} is not an open descriptor from 3 on`, '--status-fd');
}

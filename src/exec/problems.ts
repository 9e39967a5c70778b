/**
 * Failures that are no refused system call: a container in the wrong state, a hook, something in the rootfs that is not
 * what it must be. One sentence each; the words of runc where engines look for them (docs/errors.md).
 *
 * Pure.
 */
import { type ErrorCode, StateError, TsrunError } from '../errors.js';
import { namespaceWords } from '../plan/names.js';
import type { Op } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import { describeErrno } from '../util/errno.js';
import { quote } from '../util/quote.js';
import { signalName } from '../util/signals.js';
import type { ProblemName, StatusRecord } from './channel.js';
import { killedBySeccomp, killedForMemory } from './killed.js';
import { describeOp, hookName } from './phrase.js';
import { systemdRefusal } from './systemd.js';

export interface Failed {
  readonly verb: string;
  readonly id: string;
  readonly record: StatusRecord;
  /** The op that failed, when the plan is at hand. */
  readonly op: Op | undefined;
  readonly plan: () => Plan | undefined;
  readonly arch: () => string;
  /** "/mounts/3: " or "". */
  readonly at: string;
}

type Wording = (failed: Failed) => TsrunError;

function state(
  message: (failed: Failed) => string,
  hint?: string,
  code: 'CONTAINER_STATE' | 'CONTAINER_NOT_FOUND' | 'CONTAINER_EXISTS' = 'CONTAINER_STATE',
): Wording {
  return (failed) => new StateError(code, failed.id, `${message(failed)}: ${quote(failed.id)}`, hint);
}

function other(message: (failed: Failed) => string, hint?: string, code: ErrorCode = 'EXEC_FAILED'): Wording {
  return (failed) => new TsrunError(code, failed.at + message(failed), { hint });
}

const phrase = ({ op }: Failed, otherwise: string) => (op === undefined ? otherwise : describeOp(op));
const detail = ({ record }: Failed) => record.detail.toString('utf8').replace(/\0+$/, '');

function startRefusal({ record }: Failed): string {
  if (record.problem === 'STOPPED') return 'cannot start a container that has stopped';
  if (record.problem === 'PAUSED') return 'cannot start a container in the paused state';
  return 'cannot start an already running container';
}

/** The verbs meet the same state with different sentences. */
function refusal(failed: Failed): string {
  const stopped = failed.record.problem === 'STOPPED' || failed.record.problem === 'NOT_RUNNING';
  if (failed.verb === 'start') return startRefusal(failed);
  if (failed.verb === 'exec')
    return stopped
      ? 'cannot exec in a stopped container'
      : 'cannot exec in a paused container (use --ignore-paused to override)';
  if (failed.verb === 'pause' && !stopped) return 'container not running, it is paused already';
  return stopped ? 'container not running' : 'container paused';
}

/** Milliseconds as "0.012 s" */
export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(3)} s`;

const MAX_ARGS_SHOWN = 256;

/** Begins as runc's; what is user text is quoted, so that it can form no sentence of ours. */
function hook(failed: Failed, ending: string): string {
  const output = detail(failed);
  const { op, record } = failed;
  const name = op?.op === 'RUN_HOOK' ? `${hookName(op.kind)} hook #${indexOf(op.origin)}: ${quote(op.path)}` : 'hook';
  const args = op?.op === 'RUN_HOOK' && op.args.length > 0 ? `, args: ${quote(op.args.join(' '), MAX_ARGS_SHOWN)}` : '';
  const printed = output === '' ? ', no output' : `, output: ${quote(output, 1024)}`;
  return `error running ${name}: ${ending} after ${seconds(record.elapsed)}${args}${printed}`;
}

/** "1" of "/hooks/prestart/1" */
const indexOf = (origin: string): string => origin.slice(origin.lastIndexOf('/') + 1);

/** As a shell says it: 128 and the number of the signal. */
function ending(status: number): string {
  if (status <= 128) return `exit status ${status}`;
  return `killed by signal ${status - 128} (${signalName(status - 128)})`;
}

function timeout({ op }: Failed): string {
  const limit = op?.op === 'RUN_HOOK' ? (op.timeout / 1000).toFixed(1) : '?';
  return `hook ran past specified timeout of ${limit}s and was killed`;
}

/** runc's words for a cgroup that is in use; the detail holds the pids, a line each. */
function busy(failed: Failed): string {
  if (failed.record.syscall === 'flock') return 'another tsrun command is working on this container';
  const what = phrase(failed, 'use the cgroup');
  const pids = detail(failed).trim().split(/\s+/).join(', ');
  if (pids !== '') return `${what}: container's cgroup is not empty, it holds: ${pids}`;
  return `${what}: container's cgroup unexpectedly frozen`;
}

function namespaceOf({ op }: Failed): string {
  return op?.op === 'OPEN_NAMESPACE' ? quote(op.path) : 'the file';
}

function wrongNamespace(failed: Failed): string {
  const { op } = failed;
  const kind = op?.op === 'OPEN_NAMESPACE' ? `${namespaceWords(op.type)} namespace` : 'namespace';
  return `${namespaceOf(failed)} is not ${/^i/.test(kind) ? 'an' : 'a'} ${kind}`;
}

/** create brings its own plan; the others read the one that create left in the state directory. */
function badPlan(failed: Failed): TsrunError {
  const { syscall, line } = failed.record;
  const where = `(${syscall}, line ${line})`;
  if (failed.verb !== 'create') return damaged(failed, `its plan is refused by the executor ${where}`);
  return new TsrunError('EXEC_FAILED', `the plan was refused by the executor ${where}`, {
    hint: 'this is a bug of tsrun',
  });
}

function damaged({ id }: Failed, what: string): TsrunError {
  return new TsrunError('RECORD_CORRUPT', `the state of container ${quote(id)} cannot be read: ${what}`, {
    hint: 'tsrun delete --force removes what is left of it',
  });
}

const PROBLEMS: { readonly [P in Exclude<ProblemName, 'NONE' | 'SYSCALL'>]: Wording } = {
  BAD_PLAN: badPlan,
  NOT_FOUND: state(() => 'container does not exist', undefined, 'CONTAINER_NOT_FOUND'),
  EXISTS: state(
    () => 'container with given ID already exists',
    'choose another id, or delete that container first',
    'CONTAINER_EXISTS',
  ),
  NOT_RUNNING: state(refusal),
  NOT_CREATED: state(refusal),
  STILL_RUNNING: state(
    (f) =>
      f.verb === 'delete' ? `cannot delete container that is not stopped: ${detail(f)}` : 'container still running',
    'stop it first (tsrun kill ID KILL) or use --force',
  ),
  STOPPED: state(refusal),
  PAUSED: state(refusal),
  NOT_PAUSED: state(() => 'container not paused'),
  CREATING: state(() => 'the container is still being created', 'wait for "tsrun create" to end'),
  NO_CGROUP: state(
    () => 'cgroup not exist: the container has none of its own',
    'this needs one: see the warning that create gave',
  ),
  FREEZER_STUCK: other(
    (f) =>
      f.verb === 'resume'
        ? 'the processes of the cgroup are still frozen'
        : 'the processes of the cgroup did not stop within 10 s, so they go on',
    'a process waits in the kernel (state D), or a parent cgroup is frozen: see cgroup.freeze of the cgroups above',
  ),
  EXIT_LOST: other(
    (f) => `nobody knows how container ${quote(f.id)} ended: it did before anybody waited, and left no exit record`,
    'wait while it runs, or give create or run --exit-file (run --keep leaves a record too)',
  ),
  SECCOMP_KILLED: killedBySeccomp,
  ID_MAP_TOOL: other(
    (f) => `${phrase(f, 'map the ids')}: ${ending(f.record.errno)}: ${quote(detail(f).trim())}`,
    'map only ids that /etc/subuid and /etc/subgid grant to this user (root adds ranges with "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"), or only the own id, as "tsrun spec --rootless" does',
  ),
  INIT_DIED: other(
    (f) => `${phrase(f, 'start the container')}: its first process died unexpectedly`,
    'was it killed from outside, or by a seccomp filter that does not allow what the runtime itself needs?',
  ),
  SYSTEMD_ERROR: (f) => systemdRefusal(f, phrase(f, 'talk to systemd')),
  SYSTEMD_JOB: other(
    (f) => `${phrase(f, 'talk to systemd')}: its job ended with ${quote(detail(f), 64)}`,
    'journalctl has the reason',
  ),
  SYSTEMD_UNIT_IN_USE: other(
    (f) => `${phrase(f, 'talk to systemd')}: a unit of that name has processes (${quote(detail(f))})`,
    'stop it with systemctl, or choose another name in linux.cgroupsPath',
  ),
  OOM_KILLED: killedForMemory,
  HOOK_FAILED: other(
    (f) => hook(f, ending(f.record.errno)),
    'a hook gets no environment but that of its config, and startContainer hooks that of the process',
  ),
  HOOK_TIMEOUT: other((f) => hook(f, timeout(f))),
  BAD_RECORD: (f) => damaged(f, `${detail(f) === '' ? 'its record' : quote(detail(f))} is missing or damaged`),
  NOT_A_NAMESPACE: other(wrongNamespace, 'name a file such as /proc/PID/ns/net, or one it was bound to'),
  WRONG_NAMESPACE: other(
    wrongNamespace,
    'it is a namespace of another type: the last part of /proc/PID/ns/TYPE must be that of the entry',
  ),
  UNSAFE_CWD: other(
    () =>
      'current working directory is outside of container mount namespace root: possible container breakout detected',
    'process.cwd must be a directory of the container (CVE-2024-21626)',
  ),
  WRONG_DEVICE: other(
    (f) => `${phrase(f, 'make a device')}: what is there is not the device asked for`,
    "remove the file from the image's /dev, or change the config",
  ),
  BUSY: other(busy, 'wait for it to end, or use a cgroup of its own (linux.cgroupsPath)'),
  USAGE: other(
    (f) => `the executor refused its command line (${f.record.syscall})`,
    'dist/ and build/Release come from different builds: run npm run build',
  ),
  NOT_PROCFS: other((f) => `${phrase(f, 'use /proc')}: not a procfs`, 'something is mounted over /proc'),
  NOT_REAL_DIRECTORY: other(
    (f) => `${phrase(f, 'mount')}: the filesystem must be mounted on ordinary directory`,
    'a symbolic link or a mount is in the way of the destination in the image',
  ),
  SAME_NAMESPACE: other(
    (f) =>
      `${f.op === undefined ? 'move a network device' : describeOp(f.op)}: the container is in the network namespace of the host`,
    'the namespace that linux.namespaces joins must be another one',
  ),
  ID_MAP_DIFFERS: other(
    (f) =>
      `the user namespace that is joined has other ids: ${quote(detail(f).trim().replace(/ +/g, ' ').replace(/\n /g, ', '))}`,
    'both a namespace path and mappings that do not match it: correct linux.uidMappings and gidMappings, or leave both out',
  ),
  FIFO_LEFT: (f) =>
    new TsrunError('IO', `the program runs, but exec.fifo could not be removed: ${describeErrno(f.record.errno)}`, {
      hint: 'it does no harm, and delete removes it',
    }),
  RDT_DIFFERS: other(
    (f) => `the class of service exists and its schemata are not ${quote(detail(f))}`,
    'it may be in use by others, so it is not changed: choose another closID, leave the schemata out, or make them those of the class',
  ),
  NOT_A_MOUNT: other(
    (f) => `${phrase(f, 'unmount')}: something else is there`,
    'the container has changed the path, or mounted over it: see "tsrun mounts list"',
  ),
  NO_TEMPLATE: other(() => 'no plan for a plain exec was kept with the container'),
  RECORD_CHANGED: other(() => 'another command changed the mounts of this container meanwhile', 'try again'),
  NOT_POPULATABLE: other(
    (f) => `${phrase(f, 'use the cgroup')}: processes cannot be put into it (a threaded or "domain invalid" cgroup)`,
    'choose another linux.cgroupsPath',
  ),
};

/** undefined for a refused system call, which failure.ts words itself. */
export function describeProblem(failed: Failed): TsrunError | undefined {
  const { problem } = failed.record;
  return problem === 'NONE' || problem === 'SYSCALL' ? undefined : PROBLEMS[problem](failed);
}

/**
 * What a service manager hands to the command that it starts, for the program in the container: sockets it listens on
 * (LISTEN_FDS) and the socket that READY=1 is sent to (NOTIFY_SOCKET). sd_listen_fds(3), sd_notify(3).
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import type { Process } from '../spec/types.gen.js';
import { quote } from '../util/quote.js';

export interface Activation {
  /** Of the manager: absolute, or an abstract name with "@". */
  readonly notifySocket?: string;
  /** Descriptors 3 … 2 + listenFds are the program's. */
  readonly listenFds: number;
  /** Their names, joined with ":". */
  readonly listenNames?: string;
}

export const NO_ACTIVATION: Activation = { listenFds: 0 };

type Environment = { readonly [name: string]: string | undefined };

/** Where the program finds the socket; runc's place, which images know. */
export const NOTIFY_DIRECTORY = '/run/notify';

/** LISTEN_FDS is for the process with the pid LISTEN_PID alone: others have inherited the variables by accident. */
export function readActivation(env: Environment, pid: number): Activation {
  const { NOTIFY_SOCKET: socket = '', LISTEN_FDNAMES: names = '' } = env;
  const listenFds = readListenFds(env, pid);
  return {
    listenFds,
    ...(listenFds === 0 || names === '' ? {} : { listenNames: names }),
    ...(socket === '' ? {} : { notifySocket: checkSocket(socket) }),
  };
}

function readListenFds({ LISTEN_PID: forPid, LISTEN_FDS: count = '' }: Environment, pid: number): number {
  if (forPid !== String(pid) || count === '') return 0;
  if (/^\d{1,4}$/.test(count)) return Number(count);
  throw new UsageError(`LISTEN_FDS: ${quote(count, 64)} is not a number of descriptors`, 'LISTEN_FDS');
}

function checkSocket(socket: string): string {
  if (/^[/@]./.test(socket)) return socket;
  throw new UsageError(
    `NOTIFY_SOCKET: ${quote(socket, 64)} is neither an absolute path nor an abstract name`,
    'NOTIFY_SOCKET',
    'unset it, if no service manager waits for this container',
  );
}

/** The process of the config with the variables by which the program finds what it was handed. */
export function activated<P extends Process>(process: P, activation: Activation): P {
  const { listenFds, listenNames, notifySocket } = activation;
  const variables = [
    ...(listenFds === 0 ? [] : [`LISTEN_FDS=${listenFds}`, 'LISTEN_PID=1']),
    ...(listenNames === undefined ? [] : [`LISTEN_FDNAMES=${listenNames}`]),
    ...(notifySocket === undefined ? [] : [`NOTIFY_SOCKET=${NOTIFY_DIRECTORY}/notify.sock`]),
  ];
  return variables.length === 0 ? process : { ...process, env: [...(process.env ?? []), ...variables] };
}

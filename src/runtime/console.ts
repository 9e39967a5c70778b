/**
 * Who takes the master of a container's terminal: the caller, over the AF_UNIX socket given with --console-socket, or
 * this process, which then supervises the container in the foreground.
 */
import { UsageError } from '../errors.js';
import { addon } from '../native/addon.js';
import type { Box, Process } from '../spec/types.gen.js';

/** sun_path of unix(7) without its NUL. */
const MAX_SOCKET_PATH = 107;

export interface ConsoleRequest {
  readonly terminal: boolean;
  readonly detach: boolean;
  /** Absolute path of the caller's socket. */
  readonly socket: string | undefined;
}

/** The rules of runc, in its words. */
export function checkConsole({ terminal, detach, socket }: ConsoleRequest): void {
  const flag = '--console-socket';
  if (terminal && detach && socket === undefined) {
    throw new UsageError('cannot allocate tty if tsrun will detach without setting console socket', flag);
  }
  if (socket === undefined) return;
  if (!terminal || !detach) {
    throw new UsageError('cannot use console socket if tsrun will not detach or allocate tty', flag);
  }
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
    throw new UsageError(`${flag}: unix socket path longer than ${MAX_SOCKET_PATH} bytes`, flag);
  }
}

/**
 * The size of the caller's terminal, so that the program sees it from its first moment. node:tty brings streams and
 * sockets along, a tenth of a create's start.
 */
async function callerSize(): Promise<Box | undefined> {
  const { isatty, WriteStream } = await import('node:tty');
  if (!isatty(0)) return undefined;
  const [width, height] = new WriteStream(0).getWindowSize();
  return width > 0 && height > 0 ? { width, height } : undefined;
}

export interface Console {
  /** For the executor: flags, and the end of a socket that it sends the master to. */
  readonly flags: readonly string[];
  readonly send?: number;
  /** Where the master waits for the supervisor. */
  readonly receive?: number;
  /** Takes the place of the config's consoleSize. */
  readonly size?: Box;
}

/** What the plan's terminal is made from; the record keeps the config's own size. */
export function sized<P extends Process>(process: P, { size }: Console): P {
  return size === undefined ? process : { ...process, consoleSize: size };
}

/** Throws UsageError when terminal, detach and socket do not go together. */
export async function openConsole(request: ConsoleRequest): Promise<Console> {
  checkConsole(request);
  if (request.socket !== undefined) return { flags: ['--console-socket', request.socket] };
  if (!request.terminal) return { flags: [] };
  const [receive, send] = addon().socketpair();
  const size = await callerSize();
  return { flags: [], send, receive, ...(size === undefined ? {} : { size }) };
}

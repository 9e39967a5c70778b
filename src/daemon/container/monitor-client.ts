/**
 * Talks to the monitor of a container or of an exec (csrc/monitor/client.h): attach, resize, wait for its end.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { TsrunError } from '../../errors.js';

/** How a program ended. */
export interface Exit {
  readonly exitCode: number;
  readonly signal?: number;
  /** Entries of the log that a disk that hangs has not taken. */
  readonly lost?: number;
  /** RFC 3339 with nanoseconds. */
  readonly finished: string;
}

export interface AttachWish {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Docker's frames: not for a terminal. */
  readonly framed: boolean;
  /** The program waits for this reader, within bounds. */
  readonly hold: boolean;
}

const HELLO_SIZE = 8;
const MAX_RECORD = 4096;
const CONNECT_MS = 10_000;

const flag = (on: boolean, bit: number): number => (on ? bit : 0);

/** The socket when the monitor has answered; nothing of what follows is lost. Throws TsrunError IO. */
async function greet(directory: string, hello: Buffer): Promise<Socket> {
  const socket = connect({ path: join(directory, 'socket'), allowHalfOpen: true });
  const timer = setTimeout(() => socket.destroy(new Error('the monitor does not answer')), CONNECT_MS);
  try {
    socket.write(hello);
    await readByte(socket);
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new TsrunError('IO', `the container's monitor cannot be reached: ${messageOf(cause)}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function readByte(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const byte: Buffer | null = socket.read(1);
      if (byte === null) return;
      settle();
      resolve(byte.readUInt8(0));
    };
    const fail = (error?: Error) => {
      settle();
      reject(error ?? new Error('it closed the connection'));
    };
    const settle = () => {
      socket.off('readable', look).off('end', fail).off('error', fail).off('close', fail);
      socket.on('error', () => socket.destroy());
    };
    socket.on('readable', look).on('end', fail).on('error', fail).on('close', fail);
  });
}

function hello(kind: string, flags = 0, rows = 0, columns = 0): Buffer {
  const bytes = Buffer.alloc(HELLO_SIZE);
  bytes.write(kind, 'latin1');
  bytes.writeUInt8(flags, 1);
  bytes.writeUInt16LE(rows, 4);
  bytes.writeUInt16LE(columns, 6);
  return bytes;
}

/** A stream: what is written is stdin, its end() that of stdin; what is read is the output from now on. */
export async function attachMonitor(directory: string, wish: AttachWish): Promise<Socket> {
  const { stdin, stdout, stderr, framed, hold } = wish;
  const flags = flag(stdin, 1) | flag(stdout, 2) | flag(stderr, 4) | flag(framed, 8) | flag(hold, 16);
  return greet(directory, hello('A', flags));
}

/** In characters. Throws TsrunError IO. */
export async function resizeTerminal(directory: string, rows: number, columns: number): Promise<void> {
  const socket = await greet(directory, hello('R', 0, rows, columns));
  try {
    const errno = await readByte(socket);
    if (errno !== 0) throw new TsrunError('IO', `the terminal cannot be resized: errno ${errno}`);
  } finally {
    socket.destroy();
  }
}

/** Nothing if it has ended. */
export async function killProgram(directory: string, signal: number): Promise<void> {
  (await greet(directory, hello('K', signal))).destroy();
}

export interface Watch {
  /** undefined: the monitor ended without a word. Never rejects. */
  readonly ended: Promise<Exit | undefined>;
}

/** Throws TsrunError IO when there is no monitor to ask. */
export async function watchMonitor(directory: string): Promise<Watch> {
  const socket = await greet(directory, hello('W'));
  const ended = new Promise<Exit | undefined>((resolve) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > MAX_RECORD) socket.destroy();
    });
    socket.on('close', () => resolve(parseExit(text) ?? readExit(directory)));
    socket.on('end', () => socket.destroy());
  });
  return { ended };
}

function parseExit(text: string): Exit | undefined {
  try {
    const value: Partial<Exit> = JSON.parse(text);
    if (typeof value.exitCode !== 'number' || typeof value.finished !== 'string') return undefined;
    const { exitCode, finished, signal, lost } = value;
    return {
      ...{ exitCode, finished },
      ...(typeof signal === 'number' ? { signal } : {}),
      ...(typeof lost === 'number' ? { lost } : {}),
    };
  } catch {
    return undefined;
  }
}

/** What a monitor has left that nobody listened to. */
export function readExit(directory: string): Exit | undefined {
  try {
    return parseExit(readFileSync(join(directory, 'exit'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Of the program, as the executor wrote it. */
export function readMonitorPid(directory: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

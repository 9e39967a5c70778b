/**
 * Calls tsrun-snapshot (csrc/snapshot/main.c), the program that touches trees of files. What it says of a failure has
 * the form of the executor's records.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../errors.js';
import { decodeAnswer, type StatusRecord } from '../exec/channel.js';
import { addon } from '../native/addon.js';
import { errnoName } from '../util/errno.js';
import { signalName } from '../util/signals.js';

/** The same from src/snapshot/ and from the bundle. */
export const HELPER = fileURLToPath(new URL('../../build/Release/tsrun-snapshot', import.meta.url));

export interface HelperCall {
  readonly verb:
    | 'unpack'
    | 'pack'
    | 'paths'
    | 'read'
    | 'remove'
    | 'sync'
    | 'mount'
    | 'unmount'
    | 'volume'
    | 'subpath'
    | 'stat'
    | 'get'
    | 'put'
    | 'directory';
  readonly args: readonly string[];
  /** A descriptor, which stays the caller's, or 'pipe' to write it here. */
  readonly stdin?: number | 'pipe';
  /** A descriptor, or 'pipe' to read it here. */
  readonly stdout?: number | 'pipe';
  /** Of a container's mount namespace, for the view `namespace`; stays the caller's. */
  readonly namespace?: number;
  /** What it is about, for messages: a layer, a container. */
  readonly subject: string;
}

export interface Helper {
  /** With stdin: 'pipe'. */
  readonly stdin: Writable | null;
  /** With stdout: 'pipe'. */
  readonly stdout: Readable | null;
  /** The warnings. Throws TsrunError SNAPSHOT_FAILED. */
  readonly done: Promise<readonly StatusRecord[]>;
}

export function startHelper(call: HelperCall): Helper {
  return call.stdin === 'pipe' || call.stdout === 'pipe' ? startPiped(call) : withoutPipes(call);
}

const argvOf = (call: HelperCall): string[] => [call.verb, '3', ...call.args];
const extraOf = ({ namespace }: HelperCall): number[] => (namespace === undefined ? [] : [namespace]);

/** Node makes the pipes, and a copy of its own page tables for it. */
function startPiped(call: HelperCall): Helper {
  const status = addon().memfd('tsrun-snapshot');
  const child = spawn(HELPER, argvOf(call), {
    env: {},
    cwd: '/',
    stdio: [call.stdin ?? 'ignore', call.stdout ?? 'ignore', 'ignore', status, ...extraOf(call)],
  });
  return { stdin: child.stdin, stdout: child.stdout, done: judge(endOf(child), status, call) };
}

/** Without a copy of anything, and without making the event loop wait (csrc/addon/spawn.cc). */
function withoutPipes(call: HelperCall): Helper {
  const status = addon().memfd('tsrun-snapshot');
  const none = devNull();
  const given = (fd: HelperCall['stdin']): number => (typeof fd === 'number' ? fd : none);
  const fds = [given(call.stdin), given(call.stdout), none, status, ...extraOf(call)];
  const argv = ['tsrun-snapshot', ...argvOf(call)];
  const ended = addon().spawn({ path: HELPER, argv, env: [], fds, cwd: '/' });
  const signal = ended.then(([, , number]) => (number === 0 ? null : signalName(number)));
  return { stdin: null, stdout: null, done: judge(signal, status, call) };
}

let nothing: number | undefined;

function devNull(): number {
  nothing ??= openSync('/dev/null', constants.O_RDWR);
  return nothing;
}

export async function runHelper(call: HelperCall): Promise<readonly StatusRecord[]> {
  return startHelper(call).done;
}

/** Everything that `read` writes; the verb has bounded it. */
export async function readWithHelper(call: HelperCall): Promise<Buffer> {
  const output = addon().memfd('tsrun-snapshot-output');
  try {
    await startHelper({ ...call, stdout: output }).done;
    return readWhole(output);
  } finally {
    closeSync(output);
  }
}

function endOf(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (_code, signal) => resolve(signal));
  });
}

/** ended: the signal that ended it. */
async function judge(
  ended: Promise<string | null>,
  status: number,
  call: HelperCall,
): Promise<readonly StatusRecord[]> {
  try {
    const signal = await ended.catch((error: unknown) => Promise.reject(notStarted(error)));
    const { warnings, verdict } = decodeAnswer(readWhole(status));
    if (verdict !== undefined && verdict.errno === 0) return warnings;
    throw failureOf(call, verdict, signal);
  } finally {
    closeSync(status);
  }
}

function notStarted(cause: unknown): TsrunError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TsrunError('HOST_UNSUPPORTED', `tsrun-snapshot cannot be started: ${reason}`, {
    cause,
    hint: 'npm run build:native',
  });
}

function readWhole(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

/** A failure of tsrun-snapshot; the record says which call was refused. */
export class HelperError extends TsrunError {
  readonly record: StatusRecord | undefined;

  constructor(message: string, record: StatusRecord | undefined, hint: string | undefined) {
    super('SNAPSHOT_FAILED', message, { hint });
    this.record = record;
  }
}

const HINTS: { readonly [errno: number]: string } = {
  1: 'images are unpacked by root, of the machine or of a user namespace',
  28: 'the disk is full: `tsrun image prune` removes what no image uses',
  122: 'the disk quota is used up',
};

function failureOf(call: HelperCall, record: StatusRecord | undefined, signal: string | null): HelperError {
  if (record === undefined) {
    return new HelperError(
      `${call.subject}: tsrun-snapshot ${call.verb} was killed by ${signal}`,
      undefined,
      undefined,
    );
  }
  const name = record.detail.toString('utf8');
  const place = name === '' ? call.subject : `${call.subject}: ${JSON.stringify(name)}`;
  return new HelperError(`${place}: ${record.syscall}: ${errnoName(record.errno)}`, record, HINTS[record.errno]);
}

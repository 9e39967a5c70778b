/**
 * Calls tsrun-snapshot (csrc/snapshot/main.c), the program that touches trees of files. What it says of a failure has
 * the form of the executor's records.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, readSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../errors.js';
import { type Answer, decodeAnswer, type StatusRecord } from '../exec/channel.js';
import { addon } from '../native/addon.js';
import { errnoName } from '../util/errno.js';

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
    | 'put';
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
  const status = addon().memfd('tsrun-snapshot');
  const child = spawn(HELPER, [call.verb, '3', ...call.args], {
    env: {},
    cwd: '/',
    stdio: [
      call.stdin ?? 'ignore',
      call.stdout ?? 'ignore',
      'ignore',
      status,
      ...(call.namespace === undefined ? [] : [call.namespace]),
    ],
  });
  return { stdin: child.stdin, stdout: child.stdout, done: ended(child, status, call) };
}

export async function runHelper(call: HelperCall): Promise<readonly StatusRecord[]> {
  return startHelper(call).done;
}

/** Everything that `read` writes; the verb has bounded it. */
export async function readWithHelper(call: HelperCall): Promise<Buffer> {
  const { stdout, done } = startHelper({ ...call, stdout: 'pipe' });
  const parts: Buffer[] = [];
  const read = (async () => {
    for await (const part of stdout ?? []) parts.push(part as Buffer);
  })();
  await Promise.all([done, read]);
  return Buffer.concat(parts);
}

function ended(child: ChildProcess, status: number, call: HelperCall): Promise<readonly StatusRecord[]> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      closeSync(status);
      reject(
        new TsrunError('HOST_UNSUPPORTED', `tsrun-snapshot cannot be started: ${cause.message}`, {
          cause,
          hint: 'npm run build:native',
        }),
      );
    });
    child.once('exit', (_code, signal) => {
      const { warnings, verdict } = readAnswer(status);
      if (verdict !== undefined && verdict.errno === 0) resolve(warnings);
      else reject(failureOf(call, verdict, signal));
    });
  });
}

function readAnswer(status: number): Answer {
  const bytes = Buffer.alloc(fstatSync(status).size);
  readSync(status, bytes, 0, bytes.length, 0);
  closeSync(status);
  return decodeAnswer(bytes);
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
  1: 'images are unpacked by root',
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

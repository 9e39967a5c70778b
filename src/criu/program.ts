/**
 * The criu program of the host: where it is, and what its failure means. It may be missing: CRIU is only needed by
 * checkpoint and restore.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import { addon } from '../native/addon.js';
import { errnoText } from '../util/errno.js';
import { plain, quote } from '../util/quote.js';
import { type CriuFeatures, REQUEST, type Response } from './messages.js';
import { converse } from './session.js';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What CRIU and its helpers (iptables, nft, ip, tar) are looked up in. */
export function criuPath(): string {
  const path = process.env['PATH'];
  return path === undefined || path === '' ? DEFAULT_PATH : path;
}

/** Absolute path of criu; relative entries of PATH are passed over. Throws TsrunError HOST_UNSUPPORTED. */
export function findCriu(): string {
  for (const directory of criuPath().split(':')) {
    const path = join(directory, 'criu');
    if (directory.startsWith('/') && isExecutable(path)) return path;
  }
  throw new TsrunError('HOST_UNSUPPORTED', 'criu is not installed: checkpoint and restore need it', {
    hint: 'install the package criu, and see what "criu check" says',
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Criu {
  readonly socket: number;
  readonly child: ChildProcess;
}

/** `criu swrk` with an environment of PATH alone. The caller closes socket, which ends it. */
export function startCriu(): Criu {
  const [socket, theirs] = addon().socketpair('seqpacket');
  const child = spawn(findCriu(), ['swrk', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', theirs],
    env: { PATH: criuPath() },
    cwd: '/',
  });
  child.on('error', () => {}); // the socket's end of file says it
  closeSync(theirs);
  return { socket, child };
}

/** Throws TsrunError HOST_UNSUPPORTED when CRIU or the kernel lacks one of them. */
export function requireFeatures(needed: Partial<CriuFeatures>): void {
  const { socket } = startCriu();
  const response = converseAndClose(socket);
  const missing = [
    ...(needed.memoryTracking === true && response?.features?.memoryTracking !== true ? ['memory tracking'] : []),
    ...(needed.lazyPages === true && response?.features?.lazyPages !== true ? ['lazy pages'] : []),
  ];
  if (missing.length === 0) return;
  throw new TsrunError('HOST_UNSUPPORTED', `criu cannot do this here, it lacks: ${missing.join(', ')}`, {
    hint: '"criu check --feature mem_dirty_track" and "criu check --feature uffd" say why',
  });
}

function converseAndClose(socket: number): Response | undefined {
  try {
    return converse(socket, { type: REQUEST.FEATURE_CHECK }, () => {});
  } finally {
    closeSync(socket);
  }
}

const LOG_BYTES = 64 * 1024;
const LOG_LINES = 5;

/** The last errors CRIU logged. */
function lastErrors(log: string): string[] {
  try {
    const text = readFileSync(log, 'latin1').slice(-LOG_BYTES);
    return text
      .split('\n')
      .filter((line) => line.includes('Error ('))
      .slice(-LOG_LINES)
      .map((line) => plain(line.replace(/^.*?Error \([^)]*\): /, '')));
  } catch {
    return [];
  }
}

/** response: undefined when CRIU ended without one. */
export function criuFailure(what: string, response: Response | undefined, log: string): TsrunError {
  const logged = lastErrors(log);
  const said = logged.length > 0 ? logged.join('; ') : withoutLog(response);
  return new TsrunError('CRIU_FAILED', `criu ${what} failed: ${said}`, { hint: `its log is ${log}` });
}

function withoutLog(response: Response | undefined): string {
  if (response === undefined) return 'it ended without an answer';
  return response.error === undefined ? errnoText(response.errno ?? 0) : quote(response.error, 512);
}

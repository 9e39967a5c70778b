/**
 * The command line of a monitor (csrc/monitor/), below which the executor runs: it stays as the parent of the program that
 * create or exec makes, and outlives this process. docs/adr/0015.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../errors.js';

export interface MonitorLog {
  /** Absolute path of a json-file. */
  readonly json?: string;
  /** JSON object for each of its lines. */
  readonly attributes?: string;
  /** Absolute path of a file in our own format (csrc/monitor/entry.h). */
  readonly local?: string;
  /** journald's socket, and lines NAME=value for each entry. */
  readonly journal?: { readonly socket: string; readonly fields: string };
  /** Bytes of one file; 0: no limit. */
  readonly maxSize: number;
  readonly maxFiles: number;
  /** Bytes that may wait for the disk, beyond which entries are dropped; 0: the program waits. */
  readonly bufferSize: number;
}

export interface Monitor {
  /** Absolute, exists: for its socket and records. */
  readonly directory: string;
  /** once: ends with the first client that had it. */
  readonly stdin: 'closed' | 'open' | 'once';
  readonly terminal: boolean;
  readonly log?: MonitorLog;
  /** Output stays where it is until somebody has attached. */
  readonly awaitClient?: boolean;
}

const MONITOR = 'tsrun-monitor';
export const MONITOR_PATH = fileURLToPath(new URL(`../../build/Release/${MONITOR}`, import.meta.url));

function logFlags({ json, local, journal, attributes, maxSize, maxFiles, bufferSize }: MonitorLog): string[] {
  return [
    ...(json === undefined ? [] : ['--log-json', json]),
    ...(local === undefined ? [] : ['--log-local', local]),
    ...(journal === undefined ? [] : ['--log-journal', journal.socket, '--fields', journal.fields]),
    ...(attributes === undefined ? [] : ['--attributes', attributes]),
    ...['--max-size', String(maxSize), '--max-files', String(maxFiles)],
    ...(bufferSize === 0 ? [] : ['--buffer-size', String(bufferSize)]),
  ];
}

/** Up to the "--" before the executor's. */
export function monitorArgv({ directory, stdin, terminal, log, awaitClient }: Monitor): string[] {
  return [
    ...[MONITOR, '--directory', directory],
    ...(stdin === 'closed' ? [] : ['--open-stdin']),
    ...(stdin === 'once' ? ['--stdin-once'] : []),
    ...(terminal ? ['--terminal'] : []),
    ...(awaitClient === true ? ['--await-client'] : []),
    ...(log === undefined ? [] : logFlags(log)),
  ];
}

/** Of a monitor that could not do its part: it leaves a line in its directory. */
export function monitorFailure({ directory }: Monitor): TsrunError {
  let reason = 'it ended without a word';
  try {
    reason = readFileSync(join(directory, 'failure'), 'utf8').trim();
  } catch {
    // killed, or the directory cannot be written
  }
  return new TsrunError('IO', `${MONITOR} failed: ${reason}`);
}

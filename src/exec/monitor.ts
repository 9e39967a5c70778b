/**
 * Starts a verb of the executor below a monitor (csrc/monitor/), which stays as the parent of the program it makes: of a
 * container's, or of an exec's. It outlives this process. docs/adr/0011.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../errors.js';
import { addon } from '../native/addon.js';
import { encodePlan } from '../plan/encode.js';
import { type Call, judge, prepare, readAnswer, type Warn } from './executor.js';
import type { FailureContext } from './failure.js';

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

function logFlags({ json, local, journal, attributes, maxSize, maxFiles }: MonitorLog): string[] {
  return [
    ...(json === undefined ? [] : ['--log-json', json]),
    ...(local === undefined ? [] : ['--log-local', local]),
    ...(journal === undefined ? [] : ['--log-journal', journal.socket, '--fields', journal.fields]),
    ...(attributes === undefined ? [] : ['--attributes', attributes]),
    ...['--max-size', String(maxSize), '--max-files', String(maxFiles)],
  ];
}

function flagsOf({ directory, stdin, terminal, log, awaitClient }: Monitor): string[] {
  return [
    ...['--directory', directory],
    ...(stdin === 'closed' ? [] : ['--open-stdin']),
    ...(stdin === 'once' ? ['--stdin-once'] : []),
    ...(terminal ? ['--terminal'] : []),
    ...(awaitClient === true ? ['--await-client'] : []),
    ...(log === undefined ? [] : logFlags(log)),
  ];
}

/** What the monitor says of itself, and nothing else: a line, or less if it was killed. */
async function readReport(pipe: Readable): Promise<string> {
  let text = '';
  for await (const chunk of pipe) text += String(chunk);
  return text;
}

const failed = (what: string, cause?: unknown): TsrunError =>
  new TsrunError('IO', `${MONITOR} ${what}`, cause === undefined ? {} : { cause });

/** The pid of the program, which waits for start if it is a container's. Throws as callExecutor does. */
export async function startMonitored(
  call: Call,
  monitor: Monitor,
  context: FailureContext,
  warn: Warn,
): Promise<number> {
  if (!existsSync(MONITOR_PATH)) throw failed('has not been built');
  const fds: number[] = [];
  try {
    const plan = call.plan === undefined ? undefined : addon().memfd('tsrun-plan', encodePlan(call.plan));
    if (plan !== undefined) fds.push(plan);
    const status = addon().memfd('tsrun-status');
    fds.push(status);
    const { path, argv, options } = prepare(call, plan, status);
    const stdio = ['ignore' as const, 'ignore' as const, 'ignore' as const, ...options.stdio.slice(3), 'pipe' as const];
    const reportFd = stdio.length - 1;
    const flags = [...flagsOf(monitor), '--report-fd', String(reportFd), '--', path, ...argv];
    const child = spawn(MONITOR_PATH, flags, { ...options, stdio });
    const broken = new Promise<never>((_resolve, reject) => {
      child.on('error', (cause) => reject(failed(`cannot be started: ${cause.message}`, cause)));
    });
    child.unref();
    const report = await Promise.race([broken, readReport(child.stdio[reportFd] as Readable)]);
    return judgeReport(report, status, context, warn);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

function judgeReport(report: string, status: number, context: FailureContext, warn: Warn): number {
  const [, code = '', pid = ''] = /^(\d+) (-?\d+)\n$/.exec(report) ?? [];
  if (code === '') throw failed(report.startsWith('! ') ? report.slice(2).trim() : 'ended before it had a program');
  judge(readAnswer(status), { status: Number(code), signal: null }, context, warn);
  if (Number(pid) <= 0) throw failed('found no program');
  return Number(pid);
}

/** ps: the processes of a container, as the host sees them. Not in runtime-spec; the behaviour is runc's (ps.go). */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { TsrunError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { quote } from '../util/quote.js';
import { formatTable } from '../util/tabwriter.js';
import { type Runtime, runVerb } from './runtime.js';

const MAX_OUTPUT = 64 * 1024 * 1024;

/** Prints the pids of its processes to stdout, a JSON array; empty once the container has stopped. */
export async function printPids(runtime: Runtime, id: ContainerId): Promise<void> {
  await runVerb(runtime, { verb: 'ps', id });
}

export async function containerPids(runtime: Runtime, id: ContainerId): Promise<readonly number[]> {
  const { stdout } = await runVerb(runtime, { verb: 'ps', id, capture: true });
  // Our own executor printed it.
  return JSON.parse(stdout.toString('latin1')) as number[];
}

/** The lines of ps(1) whose PID is one of these, below its header. Pure. */
export function filterPs(output: string, pids: ReadonlySet<number>): string {
  const [header = '', ...lines] = output.split('\n').filter((line) => line !== '');
  const column = header.trim().split(/\s+/).indexOf('PID');
  if (column < 0) {
    throw new TsrunError('IO', "couldn't find PID field in ps output", { hint: 'add a column: -o pid' });
  }
  const chosen = lines.filter((line) => pids.has(Number(line.trim().split(/\s+/)[column])));
  return [header, ...chosen].map((line) => `${line}\n`).join('');
}

/** args: options of the host's ps(1). A host without ps(1) gets a table of ours, for which options mean nothing. */
export function psTable(pids: readonly number[], args: readonly string[]): string {
  const env = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  const ps = spawnSync('ps', args.length === 0 ? ['-ef'] : args, { encoding: 'utf8', env, maxBuffer: MAX_OUTPUT });
  if (ps.error !== undefined && 'code' in ps.error && ps.error.code === 'ENOENT') return ownTable(pids);
  if (ps.error !== undefined) throw new TsrunError('IO', `ps: ${ps.error.message}`, { cause: ps.error });
  if (ps.status !== 0) throw new TsrunError('IO', `ps: exit status ${ps.status}: ${quote(ps.stderr.trim(), 256)}`);
  return filterPs(ps.stdout, new Set(pids));
}

/** What the host's ps(1) prints, for whoever must not wait for it. Throws TsrunError IO. */
export async function hostPs(args: readonly string[]): Promise<string> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  try {
    return (await promisify(execFile)('ps', [...args], { env, maxBuffer: MAX_OUTPUT })).stdout;
  } catch (cause) {
    const why = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : String(cause);
    throw new TsrunError('IO', `ps: ${quote(why, 256)}`, { cause, hint: 'the host needs ps(1), of procps' });
  }
}

function ownTable(pids: readonly number[]): string {
  return formatTable([['UID', 'PID', 'PPID', 'CMD'], ...pids.flatMap(describe)]);
}

/** A process that ended meanwhile is left out. */
function describe(pid: number): string[][] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '?';
    return [[field('Uid'), String(pid), field('PPid'), args === '' ? `[${field('Name')}]` : quote(args).slice(1, -1)]];
  } catch {
    return [];
  }
}

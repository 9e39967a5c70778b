/**
 * slirp4netns(1): the way out of a network namespace for a user without rights over the host's network. A process that
 * is in the host's namespace, and speaks for the other one through a tap device there. It outlives the daemon, as
 * containers do.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { findTool } from '../../util/tools.js';
import { NetworkError } from '../errors.js';
import { listForwards } from './api.js';

export const TAP = 'tap0';
/** The highest that it takes: fewer, larger packets. */
const MTU = 65_520;
const READY_FD = 3;
const READY_MS = 10_000;

export interface SlirpPlaces {
  /** Where the namespace is bound. */
  readonly netns: string;
  readonly socket: string;
  readonly log: string;
  readonly pidFile: string;
}

export function slirpPlaces(directory: string, netns: string): SlirpPlaces {
  const at = (name: string) => join(directory, name);
  return { netns, socket: at('slirp.sock'), log: at('slirp.log'), pidFile: at('slirp.pid') };
}

/** true: one that was there goes on. Throws NETWORK_FAILED. */
export async function ensureSlirp(places: SlirpPlaces): Promise<boolean> {
  if (isAlive(places) && (await answers(places))) return true;
  stopSlirp(places);
  rmSync(places.socket, { force: true });
  await start(places);
  return false;
}

const answers = (places: SlirpPlaces): Promise<boolean> =>
  listForwards(places.socket).then(
    () => true,
    () => false,
  );

/** Its name is compared: a number may be somebody else's by now. */
export function isAlive(places: SlirpPlaces): boolean {
  return pidOf(places) !== undefined;
}

export function stopSlirp(places: SlirpPlaces): void {
  const pid = pidOf(places);
  try {
    if (pid !== undefined) process.kill(pid, 'SIGTERM');
  } catch {
    // ESRCH: it has just ended.
  }
  rmSync(places.pidFile, { force: true });
}

function pidOf({ pidFile }: SlirpPlaces): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === 'slirp4netns' ? pid : undefined;
  } catch {
    return undefined;
  }
}

async function start(places: SlirpPlaces): Promise<void> {
  const program = findTool('slirp4netns');
  if (program === undefined)
    throw new NetworkError('NETWORK_FAILED', 'the program slirp4netns is not installed', {
      hint: 'install the package slirp4netns, then start the daemon again',
    });
  const log = openSync(places.log, 'w', 0o600);
  try {
    const child = spawn(program, argumentsOf(places), {
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['ignore', log, log, 'pipe'],
    });
    if (child.pid !== undefined) writeFileSync(places.pidFile, `${child.pid}\n`, { mode: 0o600 });
    await ready(child, places);
    child.unref();
  } finally {
    closeSync(log);
  }
}

function argumentsOf({ netns, socket }: SlirpPlaces): string[] {
  return [
    '--configure',
    `--mtu=${MTU}`,
    // What listens on the host's loopback is not meant for containers.
    '--disable-host-loopback',
    '--enable-sandbox',
    '--enable-seccomp',
    `--api-socket=${socket}`,
    `--ready-fd=${READY_FD}`,
    '--netns-type=path',
    netns,
    TAP,
  ];
}

/** A byte on the descriptor; its end without one is a failure, which the log tells. */
function ready(child: ChildProcess, places: SlirpPlaces): Promise<void> {
  const pipe = child.stdio[READY_FD] as Readable;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => refuse('it is not ready in time'), READY_MS);
    const refuse = (why: string) => {
      clearTimeout(timer);
      stopSlirp(places);
      const said = reasonIn(places.log);
      reject(
        new NetworkError('NETWORK_FAILED', `slirp4netns: ${said === '' ? why : said}`, {
          hint: 'it needs /dev/net/tun, which a user must be able to open',
        }),
      );
    };
    child.on('error', (error) => refuse(error.message));
    pipe.on('end', () => refuse('it ended'));
    pipe.once('data', () => {
      clearTimeout(timer);
      pipe.removeAllListeners('end').destroy();
      resolve();
    });
  });
}

/** What failed first: what comes behind it is that something has failed. */
function reasonIn(path: string): string {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return (lines.find((line) => /fail|error|:.*\b(denied|such)\b/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 300);
}

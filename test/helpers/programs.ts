// Small C programs for tests (test/helpers/programs/*.c): compiled once per machine and source, static unless their name
// is that of a shared object. They play the attacker, where a shell is too slow or has no word for it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needCommand, type Skip } from './host.js';

const SOURCES = fileURLToPath(new URL('programs', import.meta.url));

export type ProgramName = 'agent' | 'sdnotify' | 'syscall' | 'probe' | 'swap' | 'churn' | 'deny' | 'evil.so' | 'tiny';

export function needCompiler(): Skip {
  return needCommand('gcc');
}

function flagsOf(name: ProgramName): readonly string[] {
  if (name === 'tiny') return ['-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-pie', '-no-pie'];
  return name.endsWith('.so') ? ['-shared', '-fPIC'] : ['-static'];
}

/** Absolute path of the compiled program. */
export function program(name: ProgramName): string {
  const source = join(SOURCES, `${name.replace(/\.so$/, '')}.c`);
  const flags = flagsOf(name);
  const key = createHash('sha256').update(readFileSync(source)).update(flags.join(' ')).digest('hex').slice(0, 12);
  const directory = join(tmpdir(), `tsrun-programs-${process.getuid?.() ?? 0}`);
  const target = join(directory, `${key}-${name}`);
  if (existsSync(target)) return target;
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const work = `${target}.${process.pid}`;
  const args = ['-O1', '-Wall', '-Wextra', '-Werror', ...flags, '-o', work, source];
  const done = spawnSync('gcc', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`gcc ${source}: ${done.stderr}`);
  renameSync(work, target);
  return target;
}

/** Puts the program into a root file system, as /bin/NAME unless told otherwise; returns its path inside. */
export function install(rootfs: string, name: ProgramName, path = `/bin/${name}`): string {
  copyFileSync(program(name), join(rootfs, path));
  return path;
}

/** Runs an attacker beside an action; returns what the action returns and the number the attacker says at its end. */
export async function beside<T>(
  name: 'swap' | 'churn',
  args: readonly string[],
  action: () => T | Promise<T>,
): Promise<{ readonly result: T; readonly count: number }> {
  const attacker = spawn(program(name), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = output(attacker);
  try {
    const result = await action();
    attacker.kill('SIGTERM');
    return { result, count: Number(await ended) };
  } finally {
    attacker.kill('SIGTERM');
    await ended;
  }
}

function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve) => child.once('close', () => resolve(text)));
}

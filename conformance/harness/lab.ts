/**
 * One container's surroundings: its directory, bundle and output, the operations on it, and what must be undone when the
 * case is over, however it ended.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { must } from './check.js';
import { baseConfig, type Config, type Mount } from './config.js';
import { mounts } from './leaks.js';
import type { Answer, Patch, Place, Undo } from './model.js';
import { apply, fill, serialize } from './patch.js';
import { type Caller, call, DEADLINE, eventually, isAlive, type Outcome, type Runtime } from './runtime.js';

export interface Bench {
  readonly runtime: Runtime;
  /** The static program of probe/. */
  readonly probe: string;
  /** Everything of this run is below it, and its last part is in every id. */
  readonly dir: string;
  readonly mark: string;
  /** Mounts that were there when a lab closed. */
  readonly left: string[];
  /** Nodes of the host's /dev that are not as they were, which are put right. */
  readonly changedNodes: () => readonly string[];
}

interface CreateOptions {
  readonly id?: string;
  /** Options of create. */
  readonly extra?: readonly string[];
  readonly caller?: Caller;
  /** A command that runs the runtime: its last argument is the runtime, with arguments of its own. */
  readonly through?: readonly string[];
}

let counter = 0;

export class Lab implements Place {
  readonly id: string;
  readonly dir: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly bench: Bench;
  readonly #undo: Undo[] = [];
  readonly #there = new Set<string>();

  constructor(bench: Bench) {
    this.bench = bench;
    this.id = `${bench.mark}-${++counter}`;
    this.dir = join(bench.dir, this.id);
    this.bundle = join(this.dir, 'bundle');
    this.rootfs = join(this.bundle, 'rootfs');
    makeRootfs(this.rootfs, bench.probe);
  }

  get output(): string {
    return join(this.dir, 'output');
  }

  get pidFile(): string {
    return join(this.dir, 'pid');
  }

  /** Writes config.json. */
  configure(asks: readonly string[], ...patches: readonly (Patch | undefined)[]): Config {
    const config = baseConfig(asks.map((ask) => fill(ask, this)));
    for (const patch of patches) apply(config, patch, this);
    makeMountpoints(this.rootfs, config);
    writeFileSync(join(this.bundle, 'config.json'), serialize(config));
    return config;
  }

  run(...args: readonly string[]): Promise<Outcome> {
    return call(this.bench.runtime, args, { dir: this.dir });
  }

  create(options: CreateOptions = {}): Promise<Outcome> {
    const { id = this.id, caller = {}, through = [] } = options;
    const { runtime } = this.bench;
    const [path, ...first] = [...through, runtime.path];
    const called = { ...runtime, path: path ?? '', globalArgs: [...first, ...runtime.globalArgs] };
    const args = ['create', '--bundle', this.bundle, '--pid-file', this.pidFile, ...(options.extra ?? []), id];
    return this.#track(id, call(called, args, { dir: this.dir, output: this.output, caller }));
  }

  /** What a create made is removed when the lab closes, unless the case does it. */
  async #track(id: string, created: Promise<Outcome>): Promise<Outcome> {
    const outcome = await created;
    if (outcome.status !== 0 || this.#there.has(id)) return outcome;
    this.#there.add(id);
    this.undo(() => this.#remove(id));
    return outcome;
  }

  start(id = this.id, caller: Caller = {}): Promise<Outcome> {
    return call(this.bench.runtime, ['start', id], { dir: this.dir, caller });
  }

  kill(signal: string, id = this.id): Promise<Outcome> {
    return this.run('kill', id, signal);
  }

  async delete(id = this.id): Promise<Outcome> {
    const outcome = await this.run('delete', id);
    if (outcome.status === 0) this.#there.delete(id);
    return outcome;
  }

  /** The state document; an error if the operation fails or the answer is no JSON. */
  async state(id = this.id): Promise<Answer> {
    const { status, stdout, stderr } = await this.run('state', id);
    must(status === 0, `state fails: ${stderr.trim()}`);
    return parseObject(stdout);
  }

  get pid(): number {
    return Number(readText(this.pidFile)) || 0;
  }

  /** The lines the probe has written so far. */
  lines(): readonly Answer[] {
    return readText(this.output)
      .split('\n')
      .filter((line) => line.startsWith('{') && line.trim().endsWith('}'))
      .map(parseObject);
  }

  /** Until the probe has answered everything, or has died. */
  async answered(): Promise<readonly Answer[]> {
    await eventually(() => this.lines().some((line) => 'end' in line) || !isAlive(this.pid));
    return this.lines();
  }

  async ended(pid = this.pid): Promise<void> {
    must(await eventually(() => !isAlive(pid)), `process ${pid} did not end within ${DEADLINE / 1000} s`);
  }

  /** created, from a configuration that must be accepted. */
  async created(asks: readonly string[], ...patches: readonly (Patch | undefined)[]): Promise<void> {
    this.configure(asks, ...patches);
    succeeded(await this.create(), 'create');
  }

  /** running, until SIGTERM. */
  async running(asks: readonly string[] = [], ...patches: readonly (Patch | undefined)[]): Promise<void> {
    await this.created([...asks, 'wait'], ...patches);
    succeeded(await this.start(), 'start');
    await this.answered();
  }

  /** stopped: the program has ended by itself. */
  async stopped(asks: readonly string[] = ['self'], ...patches: readonly (Patch | undefined)[]): Promise<void> {
    await this.created(asks, ...patches);
    succeeded(await this.start(), 'start');
    await this.ended();
  }

  undo(step: Undo): void {
    this.#undo.push(step);
  }

  /** Last things first. */
  async close(): Promise<void> {
    for (const step of this.#undo.reverse()) await step?.();
    this.#undo.length = 0;
    this.#unmount();
    await rm(this.dir, { recursive: true, force: true });
    for (const change of this.bench.changedNodes())
      process.stderr.write(`conformance: put right after ${this.id}: ${change}\n`);
  }

  /** What a runtime leaves mounted is told at the end of the run, and must not keep the suite from going on. */
  #unmount(): void {
    const found = mounts([this.id]);
    this.bench.left.push(...found);
    for (const mount of found.reverse())
      spawnSync('umount', ['--lazy', mount.split(' ')[5] ?? ''], { stdio: 'ignore' });
  }

  /** Whatever state it is in. Without a --force that works it is killed by hand. */
  async #remove(id: string): Promise<void> {
    if (!this.#there.delete(id)) return;
    if ((await this.run('delete', '--force', id)).status === 0) return;
    const pid = this.pid;
    if (pid > 1 && isAlive(pid)) process.kill(pid, 'SIGKILL');
    await eventually(() => !isAlive(pid), 1000);
    await this.run('delete', id);
  }
}

export function succeeded(outcome: Outcome, what: string): Outcome {
  must(outcome.status === 0, `${what} fails with status ${outcome.status}: ${outcome.stderr.trim().slice(0, 600)}`);
  return outcome;
}

export function refused(outcome: Outcome, what: string): Outcome {
  must(outcome.status !== 0, `${what} is not an error`);
  must(outcome.status !== 124, `${what} does not end`);
  return outcome;
}

export function parseObject(text: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    must(false, `no JSON: ${text.slice(0, 200)}`);
  }
  must(typeof value === 'object' && value !== null && !Array.isArray(value), `no JSON object: ${text.slice(0, 200)}`);
  return value as Answer;
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The specification does not say who makes them. */
function makeMountpoints(rootfs: string, { mounts }: Config): void {
  const all: readonly Partial<Mount>[] = Object.values(mounts ?? []);
  for (const { destination, source } of all) {
    if (typeof destination !== 'string') continue;
    const path = join(rootfs, destination);
    if (existsSync(path)) continue;
    const isFile = source !== undefined && statSync(source, { throwIfNoEntry: false })?.isDirectory() === false;
    mkdirSync(isFile ? dirname(path) : path, { recursive: true });
    if (isFile) writeFileSync(path, '');
  }
}

/** Things to mask, bind and overmount; /inside tells the container's root from the host's. */
function makeRootfs(rootfs: string, probe: string): void {
  for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp', 'work', 'data/dir', 'mnt', 'etc', 'plain'])
    mkdirSync(join(rootfs, name), { recursive: true, mode: 0o755 });
  chmodSync(join(rootfs, 'tmp'), 0o1777);
  linkSync(probe, join(rootfs, 'probe'));
  symlinkSync('/probe', join(rootfs, 'bin/by-path'));
  for (const name of ['inside', 'data/file', 'data/dir/file', 'plain/file'])
    writeFileSync(join(rootfs, name), `${name}\n`);
}

/**
 * Health checks: a command in the container, again and again; what it says becomes the container's health. Of the results
 * the last five are kept. With the label tsrun.restart-unhealthy=true a container that turns unhealthy is restarted, which
 * dockerd has no way to ask for.
 */
import { formatDuration } from '../../util/duration.js';
import type { HealthConfig } from '../api/types.gen.js';
import type { Container } from './container.js';
import { claimExec, createExec, startExec } from './exec.js';
import { attachMonitor, killProgram } from './monitor-client.js';
import type { Health, HealthResult } from './record.js';
import { restart } from './stop.js';
import { now } from './times.js';

export const RESTART_LABEL = 'tsrun.restart-unhealthy';

const SECOND_NS = 1e9;
const KEPT_RESULTS = 5;
const MOST_OUTPUT = 4096;
const DEFAULTS = { interval: 30 * SECOND_NS, timeout: 30 * SECOND_NS, startInterval: 5 * SECOND_NS, retries: 3 };
const SIGKILL = 9;

interface Probe {
  readonly command: readonly string[];
  /** Milliseconds. */
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

const positive = (value: number | undefined, otherwise: number): number =>
  value === undefined || value <= 0 ? otherwise : value;

function probeOf(config: HealthConfig | undefined, shell: readonly string[] | undefined): Probe | undefined {
  const [kind, ...words] = config?.Test ?? [];
  if (config === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  const command = kind === 'CMD-SHELL' ? [...(shell ?? ['/bin/sh', '-c']), words.join(' ')] : words;
  if (command.length === 0) return undefined;
  return {
    command,
    interval: positive(config.Interval, DEFAULTS.interval) / 1e6,
    timeout: positive(config.Timeout, DEFAULTS.timeout) / 1e6,
    startPeriod: positive(config.StartPeriod, 0) / 1e6,
    startInterval: positive(config.StartInterval, DEFAULTS.startInterval) / 1e6,
    retries: positive(config.Retries, DEFAULTS.retries),
  };
}

export class HealthMonitor {
  readonly #container: Container;
  readonly #probe: Probe;
  readonly #began = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  private constructor(container: Container, probe: Probe) {
    this.#container = container;
    this.#probe = probe;
  }

  /** Of a container that was just started; fresh false: of one that another daemon has started. */
  static of(container: Container, fresh = true): HealthMonitor | undefined {
    const { config, state } = container.record;
    const probe = probeOf(config.Healthcheck, config.Shell);
    if (probe === undefined) return undefined;
    const monitor = new HealthMonitor(container, probe);
    if (fresh || state.health === undefined)
      container.become({ health: { status: 'starting', failingStreak: 0, log: state.health?.log ?? [] } });
    monitor.#schedule();
    return monitor;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  get #isStarting(): boolean {
    const { state } = this.#container.record;
    return state.health?.status === 'starting' && performance.now() - this.#began < this.#probe.startPeriod;
  }

  #schedule(): void {
    const { interval, startInterval } = this.#probe;
    this.#timer = setTimeout(() => void this.#check(), this.#isStarting ? startInterval : interval);
  }

  async #check(): Promise<void> {
    const { record } = this.#container;
    if (record.state.status === 'running') {
      const result = await probe(this.#container, this.#probe);
      if (this.#stopped) return;
      this.#note(result);
    }
    if (!this.#stopped) this.#schedule();
  }

  #note(result: HealthResult): void {
    const container = this.#container;
    const before: Health = container.record.state.health ?? { status: 'starting', failingStreak: 0, log: [] };
    const log = [...before.log, result].slice(-KEPT_RESULTS);
    const healthy = result.exitCode === 0;
    // Failures while it starts do not count.
    const failingStreak = healthy ? 0 : before.failingStreak + (this.#isStarting ? 0 : 1);
    const status = healthy ? 'healthy' : failingStreak >= this.#probe.retries ? 'unhealthy' : before.status;
    container.become({ health: { status, failingStreak, log } });
    if (status === before.status) return;
    container.happened(`health_status: ${status}`);
    if (status === 'unhealthy' && container.record.config.Labels?.[RESTART_LABEL] === 'true') this.#restart();
  }

  #restart(): void {
    const container = this.#container;
    this.stop();
    container.needs.warn(`container ${container.id} is unhealthy and restarted`);
    restart(container, { signal: undefined, timeout: undefined }).catch((error: unknown) =>
      container.needs.warn(`container ${container.id} is unhealthy and not restarted: ${String(error)}`),
    );
  }
}

/** Never rejects. */
async function probe(container: Container, { command, timeout }: Probe): Promise<HealthResult> {
  const start = now();
  try {
    const { exitCode, output } = await run(container, command, timeout);
    return { start, end: now(), exitCode, output };
  } catch (error) {
    return { start, end: now(), exitCode: -1, output: error instanceof Error ? error.message : String(error) };
  }
}

async function run(container: Container, command: readonly string[], timeout: number) {
  const exec = createExec(container, container.id, { Cmd: command, AttachStdout: true, AttachStderr: true });
  claimExec(exec);
  const watch = await startExec(exec, { attached: true, stdin: false, size: undefined });
  const wish = { stdin: false, stdout: true, stderr: true, framed: false, hold: false };
  const output: Buffer[] = [];
  let length = 0;
  const stream = await attachMonitor(exec.directory, wish);
  stream.on('data', (chunk: Buffer) => {
    output.push(chunk.subarray(0, Math.max(0, MOST_OUTPUT - length)));
    length += chunk.length;
  });
  const read = new Promise((resolve) => stream.once('end', resolve).once('close', resolve));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killProgram(exec.directory, SIGKILL).catch(() => undefined); // it has ended just now
  }, timeout);
  const exit = await watch.ended;
  clearTimeout(timer);
  await read;
  stream.destroy();
  if (late) return { exitCode: -1, output: `Health check exceeded timeout (${formatDuration(timeout)})` };
  const text = Buffer.concat(output).toString('utf8');
  return { exitCode: exit?.exitCode ?? -1, output: length > MOST_OUTPUT ? `${text}...` : text };
}

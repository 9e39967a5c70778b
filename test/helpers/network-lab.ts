// A host of its own for tests of networks: network and mount namespaces in which "the host" is, a namespace "outside"
// beside it that is reached by the link up0, and a process that holds the networks (network-daemon.ts). Nothing of the
// machine's own network or rules is touched, and all of it is gone with the processes.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type {
  ContainerChange,
  ContainerNetwork,
  ContainerNetworkRecord,
  ContainerNetworkRequest,
  EndpointRequest,
  NetworkingOptions,
  NetworkRecord,
  NetworkRequest,
} from '../../src/network/index.js';

export interface Result {
  readonly status: number | null;
  readonly output: string;
}

export interface Calls {
  find: [args: [string], value: NetworkRecord];
  list: [args: [], value: NetworkRecord[]];
  create: [args: [NetworkRequest], value: NetworkRecord];
  remove: [args: [string], value: NetworkRecord];
  prepare: [args: [ContainerNetworkRequest], value: ContainerNetwork];
  release: [args: [string], value: null];
  connect: [args: [string, EndpointRequest], value: ContainerChange];
  disconnect: [args: [string, string], value: ContainerChange];
  rename: [args: [string, string], value: ContainerNetworkRecord | null];
  container: [args: [string], value: ContainerNetworkRecord | null];
}

export const HOST = { ipv4: '192.0.2.2', ipv6: '2001:db8::2' } as const;
export const OUTSIDE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;

const SETUP = `
ip link set lo up
ip link add up0 type veth peer name out0 netns $OUTSIDE
ip addr add 192.0.2.2/24 dev up0; ip addr add 2001:db8::2/64 dev up0 nodad; ip link set up0 up
ip route add default via 192.0.2.1
nsenter --net=/proc/$OUTSIDE/ns/net sh -c '
ip link set lo up; ip link set out0 up
ip addr add 192.0.2.1/24 dev out0; ip addr add 2001:db8::1/64 dev out0 nodad'
`;

export class Lab {
  readonly directory = mkdtempSync(join(tmpdir(), 'tsrun-net-'));
  readonly #host = idle([]);
  readonly #outside = idle([]);
  readonly #started: ChildProcess[] = [this.#host, this.#outside];
  #daemon: ChildProcess | undefined;
  #pending = new Map<number, (answer: Answer) => void>();
  #next = 1;
  log = '';

  static async open(options: Partial<NetworkingOptions> = {}): Promise<Lab> {
    const lab = new Lab();
    try {
      await lab.#begun();
      lab.host(SETUP.replaceAll('$OUTSIDE', String(lab.#outside.pid)));
      await lab.start(options);
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** unshare(1) has done its work when the namespaces differ. */
  async #begun(): Promise<void> {
    for (const child of [this.#host, this.#outside])
      await new Promise((resolve) => child.stdout?.once('data', resolve));
  }

  async start(options: Partial<NetworkingOptions> = {}): Promise<void> {
    const program = await bundled(this.directory);
    const resolvConf = join(this.directory, 'resolv.conf');
    writeFileSync(resolvConf, `nameserver ${OUTSIDE.ipv4}\n`);
    const all = { runDirectory: join(this.directory, 'run'), defaultBridge: 'tbr0', resolvConf, ...options };
    const args = [process.execPath, program, JSON.stringify(all), join(this.directory, 'state.json')];
    const child = spawn('nsenter', [...this.#enter(), '--', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#daemon = child;
    child.stderr.on('data', (piece) => {
      this.log += String(piece);
    });
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`the daemon of the lab ended: ${this.log}`)));
      lines.on('line', (line) => {
        const message = JSON.parse(line);
        if (message.ready) resolve();
        else if (message.failed) reject(new Error(message.failed));
        else this.#pending.get(message.id)?.(message);
      });
    });
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    const child = this.#daemon;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await ended;
  }

  async call<M extends keyof Calls>(method: M, ...args: Calls[M][0]): Promise<Calls[M][1]> {
    const id = this.#next++;
    const answer = await new Promise<Answer>((resolve) => {
      this.#pending.set(id, resolve);
      this.#daemon?.stdin?.write(`${JSON.stringify({ id, method, args })}\n`);
    });
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.value as Calls[M][1];
  }

  #enter(): string[] {
    return ['-t', String(this.#host.pid), '-n', '-m'];
  }

  host(script: string, timeout = 20_000): Result {
    return run('nsenter', [...this.#enter(), '--', 'sh', '-c', script], timeout);
  }

  outside(script: string, timeout = 20_000): Result {
    return run('nsenter', ['-t', String(this.#outside.pid), '-n', '--', 'sh', '-c', script], timeout);
  }

  /** In the namespace of a container, with the container's files in place of the host's. */
  inside(container: ContainerNetwork, script: string, timeout = 20_000): Result {
    return run('nsenter', this.#insideArgs(container, script), timeout);
  }

  #insideArgs({ record, files }: Pick<ContainerNetwork, 'record' | 'files'>, script: string): string[] {
    const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
    const bind = (name: string, content: string): string =>
      `printf %s ${quoted(content)} > /tmp/${name}.$$; mount --bind /tmp/${name}.$$ /etc/${name}; rm /tmp/${name}.$$`;
    const all = `${bind('resolv.conf', files.resolvConf)}; ${bind('hosts', files.hosts)}; ${script}`;
    const net = `--net=${record.netnsPath}`;
    return [...this.#enter(), '--', 'nsenter', net, 'unshare', '-m', '--propagation', 'private', 'sh', '-c', all];
  }

  /** A server for as long as the lab is there; resolves when it has said `ready`. */
  async serve(where: 'host' | 'outside' | ContainerNetwork, script: string): Promise<ChildProcess> {
    const say = `exec ${script}`;
    const args =
      where === 'host'
        ? [...this.#enter(), '--', 'sh', '-c', say]
        : where === 'outside'
          ? ['-t', String(this.#outside.pid), '-n', '--', 'sh', '-c', say]
          : this.#insideArgs(where, say);
    const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#started.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (piece) => String(piece).includes('ready') && resolve());
      child.once('exit', () => reject(new Error(`a server ended at once: ${script}`)));
    });
    return child;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#daemon?.once('exit', resolve));
    if (this.#daemon && this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      this.#daemon.stdin?.end();
      await ended;
    }
    for (const child of this.#started) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

function idle(more: readonly string[]): ChildProcess {
  const args = ['-n', '-m', '--propagation', 'private', ...more, 'sh', '-c', 'echo begun; exec sleep 3600'];
  return spawn('unshare', args, { stdio: ['ignore', 'pipe', 'ignore'] });
}

function run(program: string, args: readonly string[], timeout: number): Result {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout });
  return { status, output: `${stdout}${stderr}`.trim() };
}

let program: Promise<string> | undefined;

function bundled(directory: string): Promise<string> {
  program ??= bundle(directory);
  return program;
}

/** Not written as it is: the bundler of the tests would replace it here. */
const IMPORT_META_URL = ['import', 'meta', 'url'].join('.');

async function bundle(directory: string): Promise<string> {
  const { build } = await import('esbuild');
  const outfile = join(directory, 'network-daemon.mjs');
  await build({
    entryPoints: ['test/helpers/network-daemon.ts'],
    outfile,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'warning' },
    // Of the modules in it only the addon's asks where it is.
    define: { [IMPORT_META_URL]: JSON.stringify(pathToFileURL('src/native/addon.ts').href) },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('/');" },
  });
  return outfile;
}

/** The request of `docker run`, as short as a test wants it. */
export function container(
  name: string,
  networks: readonly (string | EndpointRequest)[],
  more: Partial<ContainerNetworkRequest> = {},
): ContainerNetworkRequest {
  const containerId = Buffer.from(name.padEnd(32, '.')).toString('hex');
  const endpoints = networks.map((network) => (typeof network === 'string' ? { network } : network));
  return {
    containerId,
    name,
    hostname: containerId.slice(0, 12),
    mode: { kind: 'networks' },
    endpoints,
    ports: [],
    ...more,
  };
}

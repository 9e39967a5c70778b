// Daemons that speak the Docker Engine API, with roots and sockets below the test's own directory: ours, and Debian's
// dockerd to compare it with.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type Answer, type CallOptions, call } from './api.js';
import { type Place, place } from './engine.js';
import { needCommand, needRoot, type Skip, skipUnless } from './host.js';
import { needRuntime, type Result, RUNTIME, type RunOptions } from './runtime.js';
import { needTsrun } from './traced.js';

export interface Daemon extends Place {
  readonly pid: number;
  readonly socket: string;
  readonly at: (name: string) => string;
  /** The docker command, with a configuration of this test. */
  docker(args: readonly string[], options?: RunOptions): Result;
  api(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

export const needDaemon = (): Skip => skipUnless(needRoot(), needRuntime(), needTsrun());
export const needDocker = (): Skip => skipUnless(needDaemon(), needCommand('docker', 'docker.io'));
export const needOracle = (): Skip => skipUnless(needDocker(), needCommand('dockerd', 'docker.io'));

/** flags: beside roots and socket. */
export function tsrunDaemon(t: Test, flags: readonly string[] = [], own = place(t)): Daemon {
  return startTsrun(own, flags, [RUNTIME]);
}

/** Its bridges and tables are in a network namespace of its own, which `ip`, `nft` and `curl` are run in by inNetwork(). */
export function tsrunDaemonWithNetwork(t: Test, flags: readonly string[] = []): Daemon & InNetwork {
  const own = place(t);
  const daemon = startTsrun(own, flags, ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$0" "$@"', RUNTIME]);
  const enter = ['--net', '--target', String(daemon.pid)];
  return { ...daemon, inNetwork: (command, ...args) => own.run('nsenter', [...enter, command, ...args]) };
}

/** In the network namespace of a process: of one that is started again it is the same. */
export function tsrunDaemonBeside(own: Place, pid: number): Daemon {
  return startTsrun(own, [], ['nsenter', '--net', '--target', String(pid), RUNTIME]);
}

export interface InNetwork {
  inNetwork(command: string, ...args: readonly string[]): Result;
}

function startTsrun(own: Place, flags: readonly string[], [program = '', ...before]: readonly string[]): Daemon {
  const at = (name: string) => join(own.directory, name);
  const socket = at('t.sock');
  const roots = ['--data-root', at('data'), '--exec-root', at('exec'), '--config-file', at('none.json')];
  writeFileSync(at('none.json'), '{}');
  const args = ['daemon', '--host', `unix://${socket}`, ...roots, '--log-level', 'debug', ...flags];
  const child = own.daemon(program, [...before, ...args], () => ping(socket));
  return { ...own, ...clientOf(own, socket), at, pid: child.pid ?? 0 };
}

/** Its bridge and tables are in a network namespace of its own. more: flags, without spaces. */
export function dockerd(t: Test, more: readonly string[] = []): Daemon {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  const socket = at('d.sock');
  writeFileSync(at('daemon.json'), '{}');
  const flags = [
    '--host',
    `unix://${socket}`,
    '--data-root',
    at('data'),
    '--exec-root',
    at('exec'),
    '--pidfile',
    at('pid'),
  ];
  const network = ['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--ip6tables=false'];
  const words = [
    'dockerd',
    ...flags,
    '--storage-driver',
    'vfs',
    '--config-file',
    at('daemon.json'),
    ...network,
    ...more,
  ];
  const script = `ip link set lo up; exec ${words.join(' ')}`;
  const child = own.daemon('unshare', ['--net', 'sh', '-c', script], () => ping(socket));
  return { ...own, ...clientOf(own, socket), at, pid: child.pid ?? 0 };
}

function ping(socket: string): boolean {
  const { stdout } = spawnSync('curl', ['-s', '--max-time', '5', '--unix-socket', socket, 'http://d/_ping'], {
    encoding: 'utf8',
  });
  return stdout === 'OK';
}

function clientOf(own: Place, socket: string) {
  return {
    socket,
    docker: (args: readonly string[], options: RunOptions = {}) =>
      own.run('docker', ['--host', `unix://${socket}`, ...args], {
        ...options,
        env: { DOCKER_CONFIG: own.directory, ...options.env },
      }),
    api: (method: string, path: string, options: CallOptions = {}) => call(socket, method, path, options),
  };
}

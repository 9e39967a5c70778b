// The daemon of a user without root, "walker", on a host of its own: network and mount namespaces in which /etc/subuid
// grants it ids and /dev/net/tun is there for everybody or for root alone, beside a machine outside that is reached by
// the link up0. Nothing of the real host's network, users or devices is touched.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import { needDocker } from './daemon.js';
import { type Place, place } from './engine.js';
import { needCommand, needReadableBy, needUserNamespace, type Skip, skipUnless } from './host.js';
import { type Result, RUNTIME, type RunOptions } from './runtime.js';

export const UID = 1000;
export const HOST = '192.0.2.2';
export const OUTSIDE = '192.0.2.1';

const SETUP = `set -e
for file in passwd subuid subgid; do mount --bind "$1/etc/$file" "/etc/$file"; done
mount -t tmpfs -o mode=755 tsrun-test /dev/net
mknod -m "$2" /dev/net/tun c 10 200
ip link set lo up
unshare --net sleep infinity &
until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add up0 type veth peer name out0 netns $!
ip addr add ${HOST}/24 dev up0
ip link set up0 up
nsenter --net=/proc/$!/ns/net sh -c 'ip link set lo up; ip link set out0 up; ip addr add ${OUTSIDE}/24 dev out0'
echo $! >"$1/outside"
exec sleep infinity`;

export const needUserDaemon = (): Skip =>
  skipUnless(
    needDocker(),
    needReadableBy(UID, RUNTIME),
    needUserNamespace(),
    existsSync('/dev/net/tun') ? false : 'the kernel has no /dev/net/tun',
    needCommand('slirp4netns'),
    needCommand('newuidmap', 'uidmap'),
    needCommand('nft', 'nftables'),
    needCommand('ip', 'iproute2'),
    needCommand('setpriv', 'util-linux'),
  );

export interface UserDaemon extends Place {
  /** <runtime directory>/docker.sock */
  readonly socket: string;
  readonly execRoot: string;
  /** In the host's namespaces, as root. */
  host(command: string, ...args: readonly string[]): Result;
  outside(command: string, ...args: readonly string[]): Result;
  user(args: readonly string[], options?: RunOptions): Result;
  /** The docker command of the user. */
  docker(args: readonly string[], options?: RunOptions): Result;
  /** The daemon, as the user starts it. Returns its process. */
  start(): number;
  /** Pids of the processes of the user whose command line matches. */
  processes(pattern: RegExp): number[];
}

export function userDaemon(t: Test, { tun = true } = {}): UserDaemon {
  const own = place(t);
  const { directory } = own;
  const runtime = join(directory, 'run');
  for (const path of ['etc', 'run', 'home']) mkdirSync(join(directory, path));
  for (const path of ['run', 'home']) chownSync(join(directory, path), UID, UID);
  chmodSync(directory, 0o711);
  const passwd = readFileSync('/etc/passwd', 'utf8').replace(/^[^:]*:[^:]*:1000:.*\n/m, '');
  writeFileSync(join(directory, 'etc/passwd'), `${passwd}walker:x:${UID}:${UID}::${join(directory, 'home')}:/bin/sh\n`);
  for (const file of ['subuid', 'subgid']) writeFileSync(join(directory, 'etc', file), 'walker:100000:65536\n');

  const outsidePid = join(directory, 'outside');
  const script = ['--net', '--mount', 'sh', '-c', SETUP, 'sh', directory, tun ? '666' : '600'];
  const lab = own.daemon('unshare', script, () => existsSync(outsidePid));
  const enter = ['--target', String(lab.pid), '--net', '--mount'];
  const variables = [
    `PATH=${process.env['PATH']}`,
    `HOME=${join(directory, 'home')}`,
    'USER=walker',
    `XDG_RUNTIME_DIR=${runtime}`,
    `TSRUN_TEST=${basename(directory)}`,
  ];
  const asUser = [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', 'env', '--ignore-environment', ...variables];
  const user: UserDaemon['user'] = (args, options) =>
    own.run('nsenter', [...enter, 'setpriv', ...asUser, ...args], options);
  const socket = join(runtime, 'docker.sock');
  const execRoot = join(runtime, 'tsrun-daemon');
  return {
    ...own,
    ...{ socket, execRoot },
    host: (command, ...args) => own.run('nsenter', [...enter, command, ...args]),
    outside: (command, ...args) =>
      own.run('nsenter', ['--target', readFileSync(outsidePid, 'utf8').trim(), '--net', command, ...args]),
    user,
    docker: (args, options) => user(['docker', '--host', `unix://${socket}`, ...args], options),
    start: () => {
      const words = [...enter, 'setpriv', ...asUser, RUNTIME, 'daemon', '--log-level', 'debug'];
      return own.daemon('nsenter', words, () => answers(own, socket)).pid ?? 0;
    },
    processes: (pattern) => processesOf(basename(directory), pattern),
  };
}

const answers = ({ run }: Place, socket: string): boolean =>
  run('curl', ['-s', '--max-time', '5', '--unix-socket', socket, 'http://d/_ping']).stdout === 'OK';

function processesOf(mark: string, pattern: RegExp): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const command = read(`/proc/${pid}/cmdline`);
      const marked = command.includes(mark) || read(`/proc/${pid}/environ`).includes(mark);
      return marked && pattern.test(command.replaceAll('\0', ' '));
    })
    .map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has ended
  }
}

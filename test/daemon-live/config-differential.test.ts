// The config.json that our daemon makes of `docker run`'s options beside the one that Debian's dockerd makes of the same. A
// runtime that keeps what it was given and refuses the rest stands in for runc; ours is read where it lies. What differs is
// listed here with its reason: anything else fails, and so does a reason that nothing needs any more.
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { type Daemon, dockerd, needOracle, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { mountOrder, specLines } from '../helpers/spec-lines.js';

t.setTimeout(300_000);

const N = ['--network', 'none'] as const;
/** Options, then the command. */
const CASES: { readonly [name: string]: readonly (readonly string[])[] } = {
  plain: [N, ['true']],
  limits: [
    [
      ...[...N, '--memory', '64m', '--memory-reservation', '32m', '--memory-swap', '128m', '--cpus', '0.5'],
      ...['--cpu-shares', '512', '--cpuset-cpus', '0', '--pids-limit', '50', '--oom-score-adj', '100'],
      ...['--blkio-weight', '300', '--ulimit', 'nofile=100:200', '--shm-size', '32m', '--ulimit', 'core=0'],
    ],
    ['true'],
  ],
  privileged: [[...N, '--privileged'], ['true']],
  capabilities: [
    [...N, '--cap-drop', 'ALL', '--cap-add', 'NET_BIND_SERVICE', '--security-opt', 'no-new-privileges'],
    ['true'],
  ],
  'without seccomp': [[...N, '--security-opt', 'seccomp=unconfined', '--cap-add', 'SYS_ADMIN'], ['true']],
  'read-only': [[...N, '--read-only', '--tmpfs', '/tmp:size=1m,mode=1777', '--tmpfs', '/run'], ['true']],
  process: [
    [
      ...[...N, '--user', '1000:1000', '--group-add', '5', '--workdir', '/tmp', '--env', 'A=b', '--env', 'PATH=/x'],
      ...['--hostname', 'h', '--domainname', 'd.e', '--entrypoint', '/bin/true'],
    ],
    [],
  ],
  terminal: [[...N, '-t', '-i'], ['sh']],
  mounts: [
    [
      ...[...N, '-v', '/etc/hostname:/a:ro', '-v', 'vol:/z', '-v', '/usr/lib:/m/b', '-v', '/usr:/m'],
      ...['--mount', 'type=bind,src=/etc/group,dst=/c,readonly'],
    ],
    ['true'],
  ],
  devices: [[...N, '--device', '/dev/null:/dev/mynull:r', '--device-cgroup-rule', 'c 1:5 rwm'], ['true']],
  sysctls: [[...N, '--sysctl', 'net.core.somaxconn=100', '--sysctl', 'kernel.msgmax=65536'], ['true']],
  "the host's namespaces": [
    ['--network', 'host', '--pid', 'host', '--ipc', 'host', '--uts', 'host', '--cgroupns', 'host'],
    ['true'],
  ],
  'a private cgroup namespace': [[...N, '--cgroupns', 'private', '--ipc', 'none'], ['true']],
};

/** A line of one of the two (− dockerd, + ours), and why. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^[-+] \/ociVersion/, 'ours is of a later specification'],
  [/^[-+] \/root\/path/, 'another place'],
  [/^[-+] \/linux\/cgroupsPath/, 'another parent: /tsrun, not /docker'],
  [/^- \/hooks\/prestart\/0\//, 'dockerd fills the network namespace by a hook of the runtime'],
  [/^[-+] \/linux\/namespaces has .*"network"/, 'ours is made before the container and joined'],
  [/^\+ \/process\/user\/umask = 18/, 'said here, the default of runc there'],
  [/^\+ \/process\/env has "HOME=/, 'looked up in the image here, by runc there'],
  [
    /^[-+] \/linux\/resources\/devices has/,
    'the rules that a runtime adds by itself are left to it by each as it likes',
  ],
  [/^\+ \/linux\/maskedPaths has "\/(?:proc\/interrupts|sys\/devices\/virtual\/powercap)"/, 'as dockerd does since 28'],
  [/^[-+] \/linux\/seccomp\//, 'the profile of a later dockerd: without io_uring, AF_VSOCK and what is new'],
  [/^- \/linux\/sysctl\/kernel\.domainname/, 'a sysctl there …'],
  [/^\+ \/domainname/, '… and a field of the later specification here'],
  [
    /^[-+] \/process\/capabilities\/\w+ has "CAP_(?:BPF|PERFMON|CHECKPOINT_RESTORE|SYS_RESOURCE)"/,
    'of those that this host has',
  ],
  [/^\+ \/mounts\/[ac] options has "rro"/, 'read-only is recursive, as in dockerd since 25'],
  [/^\+ \/mounts\/z options has "rprivate"/, 'said here, the default there'],
  [/^\+ \/mounts\/dev\/shm options has "no(?:suid|dev|exec)"/, "of the host's IPC namespace it is the host's mount"],
];

t.test(
  'the config.json of a container is that of dockerd, but for what is listed',
  { skip: needOracle() },
  async (t) => {
    const ours = tsrunDaemon(t);
    const spied = ours.at('spied.json');
    const spy = spyingRuntime(ours, spied);
    const theirs = dockerd(t, ['--add-runtime', `spy=${spy}`]);
    for (const daemon of [ours, theirs]) must(daemon.docker(['load', '--input', imageArchive(ours.directory)]));
    const used = new Set<string>();
    for (const [name, [options = [], command = []]] of Object.entries(CASES)) {
      const ofOurs = ourSpec(ours, options, command);
      const ofTheirs = theirSpec(theirs, spied, options, command);
      const [a, b] = [specLines(ofTheirs), specLines(ofOurs)];
      const differences = [
        ...a.filter((line) => !b.includes(line)).map((line) => `- ${line}`),
        ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line}`),
      ];
      const unknown = differences.filter(
        (line) => !REASONS.some(([pattern, why]) => pattern.test(line) && used.add(why)),
      );
      t.strictSame(unknown, [], `${name}: nothing differs without a reason`);
      t.strictSame(mountOrder(ofOurs), mountOrder(ofTheirs), `${name}: what lies below another mount comes after it`);
    }
    t.strictSame(
      REASONS.filter(([, why]) => !used.has(why)).map(([, why]) => why),
      [],
      'every reason is needed',
    );
  },
);

/** Keeps config.json at its place, and makes no container. */
function spyingRuntime({ at }: Daemon, spied: string): string {
  const path = at('spy');
  const script = `#!/bin/sh
for word; do
  case "$last" in --bundle) bundle=$word;; esac
  last=$word
done
case " $* " in *' create '*) cp "$bundle/config.json" '${spied}'; echo 'not made' >&2; exit 1;; esac
exec runc "$@"
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

function create(daemon: Daemon, flags: readonly string[], options: readonly string[], command: readonly string[]) {
  return must(daemon.docker(['create', ...flags, ...options, IMAGE, ...command])).stdout.trim();
}

function theirSpec(daemon: Daemon, spied: string, options: readonly string[], command: readonly string[]) {
  rmSync(spied, { force: true });
  const id = create(daemon, ['--runtime', 'spy'], options, command);
  daemon.docker(['start', id]);
  const text = readFileSync(spied, 'utf8');
  must(daemon.docker(['rm', '--force', '--volumes', id]));
  return JSON.parse(withoutPlaces(text, daemon, id));
}

function ourSpec(daemon: Daemon, options: readonly string[], command: readonly string[]) {
  const id = create(daemon, [], options, command);
  must(daemon.docker(['start', id]));
  const path = daemon.at(`data/containers/${id}/config.json`);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '{}';
  must(daemon.docker(['rm', '--force', '--volumes', id]));
  return JSON.parse(withoutPlaces(text, daemon, id));
}

function withoutPlaces(text: string, { directory }: Daemon, id: string): string {
  return text.replaceAll(id, 'ID').replaceAll(id.slice(0, 12), 'ID12').replaceAll(directory, 'PLACE');
}

/**
 * Podman's system tests, test/system/*.bats: the podman of PATH with the runtime. Each file has a world of its own, so that
 * neither storage, networks and leftovers of the host's Podman nor those of another file are in it: namespaces for mounts,
 * processes and network, a registry with the image of the tests and nothing else, and /etc, /run and /var/lib/containers
 * that end with it.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { needProblem } from '../harness/host.js';
import { readText } from '../harness/lab.js';
import { type Adapter, type AdapterOptions, absent, foreign, runProgram } from './adapter.js';
import { answersFor, makeLayer, serveImage, type TestImage } from './podman-image.js';
import { resultsOf } from './tap.js';

const TESTS = 'test/system';
const COMMANDS = ['bats', 'podman', 'conmon', 'busybox', 'catatonit', 'socat', 'jq', 'curl', 'unshare', 'ip', 'tar'];

/** Files that are not run, and why. */
const LEFT_OUT: { readonly [file: string]: string } = {
  '015-help': 'about Podman alone',
  '150-login': 'needs the image of a registry',
  '250-systemd': 'needs systemd',
  '251-system-service': 'needs systemd',
  '255-auto-update': 'needs systemd',
  '270-socket-activation': 'needs systemd',
  '272-system-connection': 'needs systemd',
  '330-corrupt-images': 'about Podman alone',
  '600-completion': 'about Podman alone',
  '610-format': 'about Podman alone',
  '750-trust': 'about Podman alone',
  '900-ssh': 'needs a server of ssh',
};

export const podman: Adapter = {
  place: "the directory of Podman's sources; podman is taken from PATH",
  missing: ({ place }) =>
    absent([join(place, TESTS, 'helpers.bash')], 'not the sources of Podman') ??
    COMMANDS.map((name) => needProblem(`command:${name}`)).find((problem) => problem !== undefined),
  async *run(options) {
    const { place, dir, wants } = options;
    const image = imageOf(readFileSync(join(place, TESTS, 'helpers.bash'), 'utf8'));
    const server = await serveImage(answersFor(image, makeLayer(dir, image)), join(dir, 'registry'));
    cpSync(join(place, TESTS), join(dir, TESTS), { recursive: true }); // a suite is left as it was found
    writeFileSync(join(dir, 'world'), WORLD);
    const before = cgroupsOfPodman();
    try {
      const files = readdirSync(join(place, TESTS)).filter((name) => name.endsWith('.bats'));
      for (const file of files.map((name) => name.replace(/\.bats$/, '')).filter(wants)) {
        const reason = LEFT_OUT[file];
        if (reason === undefined) yield* runFile(options, file, image);
        else yield foreign(file, 'skipped', reason);
      }
    } finally {
      server.close();
      for (const path of cgroupsOfPodman()) if (!before.includes(path)) removeTree(path);
    }
  },
};

/** What each test does before and after, and where in the helpers it failed: a detail has no room for that. */
const ROUTINE =
  /^# (# \S+podman (rm -t 0 --all|pod rm -t 0|ps --all|images --all|network prune).*|\(?(from| ?from) function .*,|# \[teardown\])\n/gm;

async function* runFile({ dir, runtime, timeout }: AdapterOptions, file: string, { name, tag }: TestImage) {
  const world = join(dir, `world-${file}`);
  mkdirSync(world);
  const output = join(dir, `${file}.tap`);
  const command =
    `podman pull --quiet quay.io/${name}:${tag} >&2 && exec bats --tap '${join(TESTS, file)}.bats' ` +
    `>'${output}' 2>'${output}.err' </dev/null`;
  const own = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
  const { XDG_RUNTIME_DIR: _, ...env } = process.env;
  const argv = ['unshare', ...own, 'bash', join(dir, 'world'), world, runtime, join(dir, 'registry'), command];
  const ended = await runProgram(argv, { cwd: dir, env, seconds: timeout });
  const stdout = readText(output).replace(ROUTINE, '');
  const stderr = `${ended.stderr}${readText(`${output}.err`)}`;
  yield* resultsOf(file, { ...ended, stdout, stderr });
}

/** What helpers.bash calls the image. */
export function imageOf(helpers: string): TestImage {
  const value = (name: string): string => {
    const found = new RegExp(`^${name}=\\$\\{${name}:-"?([^"}]+)"?\\}`, 'm').exec(helpers)?.[1];
    if (found === undefined) throw new Error(`${TESTS}/helpers.bash has no ${name}`);
    return found;
  };
  return {
    name: `${value('PODMAN_TEST_IMAGE_USER')}/${value('PODMAN_TEST_IMAGE_NAME')}`,
    tag: value('PODMAN_TEST_IMAGE_TAG'),
    otherTag: value('PODMAN_NONLOCAL_IMAGE_TAG'),
  };
}

/**
 * DIRECTORY RUNTIME REGISTRY COMMAND. Where controllers are on cgroup v1, Podman makes plain directories in the tmpfs of
 * /sys/fs/cgroup for those that the host has not: it gets another tmpfs. Tests that bring a containers.conf of their own are
 * told runtime and cgroup manager by options, unless it names one. The name server refuses at once.
 */
const WORLD = `set -e
dir=$1 runtime=$2 registry=$3 command=$4
mount --make-rprivate /
[ "$(stat -f -c %T "$dir")" != overlayfs ] || mount -t tmpfs -o mode=755 world "$dir" # no overlay on another one
cd "$dir" && mkdir etc lib cni var tmp bin cgroup
cp -a /etc/. etc && mount --bind etc /etc
if [ "$(stat -f -c %T /sys/fs/cgroup)" = tmpfs ]; then
	mount --rbind /sys/fs/cgroup cgroup
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	for one in cgroup/*/; do
		mountpoint -q "$one" || continue
		mkdir "/sys/fs/cgroup/$(basename "$one")" && mount --bind "$one" "/sys/fs/cgroup/$(basename "$one")"
	done
	umount -l cgroup
fi
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/netns /var/lib/containers /var/lib/cni /etc/containers
mount -t tmpfs -o mode=1777 shm /dev/shm
mount --bind lib /var/lib/containers
mount --bind cni /var/lib/cni
mount --bind var /var/tmp
ip link set lo up
ip link add eth0 type veth peer name peer0 && ip link set peer0 up
ip address add 10.99.0.2/24 dev eth0 && ip link set eth0 up && ip route add default via 10.99.0.1
rm -f /etc/resolv.conf && echo nameserver 10.99.0.2 >/etc/resolv.conf
for file in /etc/subuid /etc/subgid; do echo containers:200000:1048576 >>$file; done
cat >/etc/containers/containers.conf <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "$(basename "$runtime")"
[engine.runtimes]
$(basename "$runtime") = ["$runtime"]
[containers]
log_driver = "k8s-file"
END
cat >/etc/containers/storage.conf <<END
[storage]
driver = "$(grep -qw overlay /proc/filesystems && echo overlay || echo vfs)"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
cat >/etc/containers/registries.conf <<END
unqualified-search-registries = ["quay.io"]
[[registry]]
prefix = "quay.io"
location = "127.0.0.1:5055"
insecure = true
END
cat >bin/podman <<END
#!/bin/sh
[ -z "\\$CONTAINERS_CONF" ] || grep -q runtime "\\$CONTAINERS_CONF" ||
	set -- --runtime '$runtime' --cgroup-manager cgroupfs "\\$@"
exec "$(command -v podman)" "\\$@"
END
chmod 755 bin/podman
command -v nc >/dev/null || ln -s "$(command -v busybox)" bin/nc
export PODMAN="$dir/bin/podman" PATH="$dir/bin:$PATH" TMPDIR="$dir/tmp"
socat TCP-LISTEN:5055,bind=127.0.0.1,fork,reuseaddr "UNIX-CONNECT:$registry" &
until socat -u OPEN:/dev/null TCP:127.0.0.1:5055 2>/dev/null; do sleep 0.1; done
cd "$OLDPWD"
sh -c "$command"
`;

/** What Podman with the driver cgroupfs leaves when it has no containers any more, and a build that a test kills. */
function cgroupsOfPodman(): string[] {
  const root = '/sys/fs/cgroup';
  const mounts = [root, ...readdirSync(root).map((name) => join(root, name))];
  return mounts.flatMap((mount) =>
    entriesOf(mount)
      .filter((name) => /^(libpod_parent$|buildah-)/.test(name))
      .map((name) => join(mount, name)),
  );
}

/** The directories in one. */
function entriesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** rmdir(2) takes the files of a cgroup along, and refuses one that somebody is in. */
function removeTree(path: string): void {
  for (const name of entriesOf(path)) removeTree(join(path, name));
  try {
    rmdirSync(path);
  } catch {
    // somebody is in it
  }
}

// The container that the default config.json makes, seen from inside, beside the one runc makes of the same file: what
// differs is either a fault or listed here with its reason. Both run in a mount namespace where /sys/fs/cgroup is
// cgroup v2 alone, so that the host's own layout does not matter.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needCommand, skipUnless } from '../helpers/host.js';
import { must, needRuntime, RUNTIME, runProgram, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needCommand('runc'));
const RUNC = spawnSync('sh', ['-c', 'command -v runc'], { encoding: 'utf8' }).stdout.trim();

/** What a program in the container can see of its own situation, one section after the other. */
const PROBE = `
section() { echo "== $1"; }
section mounts; cat /proc/self/mountinfo
section status; grep -E '^(Umask|Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap|SigBlk|SigIgn|SigCgt)' /proc/self/status
section limits; cat /proc/self/limits
section devices; cd /dev; for f in * */*; do stat -c '%n %F %a %u %g %t %T' $f; done; for l in core fd ptmx stdin stdout stderr; do echo $l $(readlink $l); done
section environment; env | sort
section place; hostname; pwd; id; cat /proc/self/oom_score_adj; cat /proc/self/loginuid
section maps; cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/timens_offsets 2>/dev/null
section descriptors; for f in /proc/self/fd/*; do echo $f; done
section masked; for f in /proc/kcore /proc/keys /proc/timer_list /proc/latency_stats /proc/sched_debug; do [ -e $f ] && stat -c '%n %F %t %T' $f; done; ls -A /proc/acpi /proc/scsi /sys/firmware 2>/dev/null
section readonly; for d in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger /sys /x; do echo >$d/x 2>/dev/null && echo $d writable; done; echo 1 2>/dev/null >/proc/sys/kernel/hostname && echo sys writable
section network; ip -o addr 2>/dev/null | sed 's/ valid_lft.*//'; cat /proc/net/route
section processes; ps -o pid,ppid,pgid,sid | grep '^ *1 '
section root; stat -c '%n %F %a %u %g' / /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup /tmp
`;

/** Where /sys/fs/cgroup is cgroup v2 alone. */
function inUnifiedView(box: Sandbox, command: string): string {
  const view = 'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup';
  return must(runProgram('unshare', ['-m', 'sh', '-c', `${view} && exec ${command}`], box.directory)).stdout;
}

function probe(box: Sandbox, runtime: string, bundle: string): Map<string, string> {
  const stdout = inUnifiedView(box, `${runtime} --root ${box.root} run --bundle ${bundle} ${box.id()}`);
  const sections = stdout.split(/^== /m).slice(1);
  return new Map(sections.map((text) => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]));
}

/** mount point, root, options, type, source, super options; without ids and device numbers, which count up. */
function normalizeMounts(text: string): string[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [left = '', right = ''] = line.split(' - ');
      const [, , , root = '', point = '', options = '', ...tags] = left.split(' ');
      const [type = '', source = '', superOptions = ''] = right.split(' ');
      const shared = tags.map((tag) => tag.replace(/:\d+$/, '')).join(',');
      return [point, root.replace(/tsrun-test-\w+(-\d+)?/g, 'ID'), options, shared, type, source, superOptions].join(
        ' ',
      );
    });
}

/**
 * Where runc 1.1 differs from its later versions, which tsrun follows: files are masked with the container's own
 * /dev/null, not the host's; cgroup2 is mounted anew in a cgroup namespace, not bound; sysfs is read-only as a whole.
 */
function normalizeOldRunc(lines: readonly string[]): string[] {
  return lines.map((line) => {
    if (/^\/proc\/(keys|timer_list|kcore|latency_stats|sched_debug) \/null /.test(line))
      return `${line.split(' ')[0]} null`;
    if (line.startsWith('/sys / ')) return line.replace(/ r[ow]$/, '');
    return line;
  });
}

/** A read-only tmpfs over a directory is a mask, whatever its size options: newer runc mounts one for all of them. */
function normalizeMasks(lines: readonly string[]): string[] {
  const masked = /^\/(proc\/(acpi|scsi|asound)|sys\/firmware|sys\/devices\/virtual\/powercap) /;
  return lines.map((line) => (masked.test(line) ? `${line.split(' ')[0]} masked ${line.split(' ')[4]}` : line));
}

t.test('the container of the default config is the one runc makes of it', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  runProgram('rm', [join(bundle.path, 'config.json')], box.directory);
  inUnifiedView(box, `${RUNTIME} spec --bundle ${bundle.path}`);
  const config = JSON.parse(readFileSync(join(bundle.path, 'config.json'), 'utf8'));
  config.process.terminal = false;
  config.process.args = ['sh', '-c', PROBE];
  writeFileSync(join(bundle.path, 'config.json'), JSON.stringify(config));
  const ours = probe(box, RUNTIME, bundle.path);
  const theirs = probe(box, RUNC, bundle.path);
  t.same([...ours.keys()], [...theirs.keys()]);
  for (const [name, text] of theirs) {
    if (name === 'mounts') {
      const [a, b] = [ours.get(name) ?? '', text].map((mounts) =>
        normalizeOldRunc(normalizeMasks(normalizeMounts(mounts))),
      );
      t.same(a, b, 'mounts, in their order');
    } else t.equal(ours.get(name), text, name);
  }
});

t.test('spec writes what runc spec writes', { skip }, async (t) => {
  const box = sandbox(t);
  const [ours, theirs] = [box.bundle(), box.bundle()];
  for (const { path } of [ours, theirs]) runProgram('rm', [join(path, 'config.json')], box.directory);
  must(box.run(['spec', '--bundle', ours.path]));
  must(runProgram(RUNC, ['spec', '--bundle', theirs.path], box.directory));
  const read = (path: string) => JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
  const [a, b] = [read(ours.path), read(theirs.path)];
  // Other versions of the specification, and of runc, name themselves and their own host.
  for (const config of [a, b]) {
    delete config.ociVersion;
    delete config.hostname;
    // Debian's runc still asks for ambient capabilities; newer ones do not.
    delete config.process.capabilities.ambient;
  }
  t.same(a, b);
});

// tsrun image run, and what is done with containers of images: commit, diff, export, import, mount; images that umoci
// made, and whole trees beside those that umoci unpacks.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';
import { describeTree, sh, ZOO } from '../helpers/layers.js';
import { busyboxPath, needBusybox } from '../helpers/rootfs.js';
import {
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  type Result,
  RUNTIME,
  type RunOptions,
  sandbox,
} from '../helpers/runtime.js';

const skip = skipUnless(
  needRuntime(),
  IS_TSRUN ? false : 'what other runtimes do not have',
  needRoot(),
  needBusybox(),
  needCommand('umoci', 'umoci'),
  needCommand('skopeo', 'skopeo'),
  needCommand('setfattr', 'attr'),
  needCommand('setcap', 'libcap2-bin'),
);

t.setTimeout(240_000);

const PASSWD = 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n';
const GROUP = 'root:x:0:\napp:x:1001:\nextra:x:50:app\n';

/** An image by umoci: a layer of busybox, then one for each script, run in the root of the image. */
function makeImage(directory: string, scripts: readonly string[], config = ''): string {
  const layout = join(directory, 'layout');
  const names = 'sh ls cat id grep env stat touch rm mkdir sleep readlink wc dmesg unshare';
  const base = `mkdir -p bin etc tmp home/app && cp ${busyboxPath()} bin/busybox
    for name in ${names}; do ln -s busybox bin/$name; done
    printf '${PASSWD}' > etc/passwd; printf '${GROUP}' > etc/group; chown 1000:1001 home/app`;
  sh(`umoci init --layout ${layout} && umoci new --image ${layout}:x`, directory);
  [base, ...scripts].forEach((script, i) => {
    const unpacked = join(directory, `u${i}`);
    sh(`umoci unpack --image ${layout}:x ${unpacked}`, directory);
    sh(script, join(unpacked, 'rootfs'));
    sh(`umoci repack --refresh-bundle --image ${layout}:x ${unpacked} && rm -rf ${unpacked}`, directory);
  });
  if (config !== '') sh(`umoci config --image ${layout}:x ${config}`, directory);
  return layout;
}

function place(t: Test, scripts: readonly string[] = [], config = '') {
  const box = sandbox(t);
  const data = join(box.directory, 'data');
  const layout = makeImage(box.directory, scripts, config);
  mkdirSync(data);
  must(box.run(['image', 'ls', '--data-root', data]));
  sh(`skopeo copy -q oci:${layout}:x oci:${data}/images:docker.io/library/x:latest`, box.directory);
  const image = (command: string, args: readonly string[], options?: RunOptions): Result =>
    box.run(['image', command, '--data-root', data, ...args], options);
  const left = () =>
    ['run', 'snapshots/active'].flatMap((name) => (existsSync(join(data, name)) ? readdirSync(join(data, name)) : []));
  return { ...box, data, layout, image, left };
}

const CONFIG =
  `--config.entrypoint /bin/sh --config.entrypoint -c --config.cmd 'id; readlink -f .; echo $A $HOME' --config.env A=b
  --config.user app --config.workingdir /home/app --config.label note=yes --config.label run.oci.handler=x
  --config.volume /home/app --config.volume /../../srv/new`.replace(/\n/g, ' ');

t.test('an image runs as its config says, and nothing is left', { skip }, async (t) => {
  const { image, left } = place(t, [], CONFIG);
  const own = image('run', ['x']);
  t.equal(own.stdout, 'uid=1000(app) gid=1001(app) groups=50(extra),1001(app)\n/home/app\nb /home/app\n', own.stderr);
  t.match(own.stderr, /labels of the image that engines act upon are left out: run\.oci\.handler/);
  const asked = [
    '--entrypoint',
    '',
    '-u',
    '7:extra',
    '-w',
    '/tmp',
    '-e',
    'A=c',
    '--hostname',
    'here',
    '--read-only',
    'x',
  ];
  const script = 'id; readlink -f .; echo $A; cat /etc/hostname; touch /new; exit 3';
  const other = image('run', [...asked, 'sh', '-c', script]);
  t.equal(other.stdout, 'uid=7 gid=50(extra) groups=50(extra)\n/tmp\nc\nhere\n');
  t.match(other.stderr, /Read-only file system/);
  t.equal(other.status, 3);
  const volumes =
    'touch /home/app/kept /srv/new/x && stat -c "%u:%g" /home/app; grep -c " /home/app \\| /srv/new " /proc/mounts';
  const asRoot = ['--entrypoint', '', '-u', '0', '--read-only', 'x', 'sh', '-c', volumes];
  t.equal(image('run', asRoot).stdout, '1000:1001\n2\n', 'volumes of the image have what it has there');
  t.equal(image('run', ['--entrypoint', '', 'x', 'ls', '/home/app']).stdout, '', 'and each container its own');
  t.match(image('run', ['-u', 'nobody', 'x']), {
    status: 125,
    stderr: /--user: unable to find user nobody: no matching entries in passwd file/,
  });
  t.match(image('run', ['--entrypoint', '', 'x', 'missing']), { stderr: /executable file not found/ });
  t.same(left(), []);
});

t.test('what the config does not say is as Docker has it', { skip }, async (t) => {
  const { image } = place(t);
  const run = (script: string) => image('run', ['x', 'sh', '-c', script]).stdout;
  t.match(run('cat /proc/self/status'), /CapEff:\t00000000a80425fb\n[\s\S]*Seccomp:\t2\n/);
  t.equal(run('ls /sys/class/net; ls /sys/firmware | wc -l'), 'lo\n0\n');
  t.equal(run('unshare -U sh -c "echo no" 2>&1 || echo refused').split('\n').at(-2), 'refused');
  t.equal(run('dmesg >/dev/null 2>&1 || echo refused'), 'refused\n');
  t.equal(run('touch /proc/sys/kernel/hostname /sys/x 2>/dev/null || echo refused'), 'refused\n');
});

t.test('what a container wrote: diff, commit, export, import', { skip }, async (t) => {
  const { image, data, directory, run, id, left } = place(t);
  const name = id();
  must(
    image('run', ['--keep', '--name', name, 'x', 'sh', '-c', 'echo new > /new; rm /etc/group; mkdir /d; touch /d/f']),
  );
  const changes = must(image('diff', [name])).stdout;
  for (const line of ['A /new', 'A /d', 'A /d/f', 'D /etc/group', 'C /etc'])
    t.ok(changes.split('\n').includes(line), line);
  must(image('commit', ['-m', 'why', name, 'x:two']));
  const two = image('run', ['x:two', 'sh', '-c', 'cat /new; ls /d /etc/group']);
  t.match(two, { status: 1, stdout: 'new\n/d:\nf\n', stderr: /group: No such file/ });
  t.equal(must(image('diff', ['x', 'x:two'])).stdout, changes);
  const tar = join(directory, 'out.tar');
  must(image('export', ['-o', tar, name]));
  must(image('import', [tar, 'flat']));
  t.equal(must(image('diff', ['x:two', 'flat'])).stdout, '', 'exported and imported it is the same');
  sh(`skopeo copy -q oci:${data}/images:docker.io/library/x:two oci:${directory}/other:two`, directory);
  sh(`umoci unpack --image ${directory}/other:two ${directory}/two`, directory);
  t.equal(readFileSync(join(directory, 'two/rootfs/new'), 'utf8'), 'new\n', 'umoci reads what was committed');
  t.notOk(existsSync(join(directory, 'two/rootfs/etc/group')));
  must(run(['delete', name]));
  t.same(left(), [], 'with the container its snapshot goes');
  must(image('prune', ['--all']));
  t.same(readdirSync(join(data, 'snapshots/trees')), [], 'with the images their trees');
});

t.test('forty layers look as umoci unpacks them', { skip }, async (t) => {
  const { image, directory, layout } = place(t, [
    ZOO,
    'rm -r deep sticky; mkdir deep; printf x > deep/new; chmod 700 dir; rm fifo',
  ]);
  const many = Array.from(
    { length: 38 },
    (_, i) => `mkdir -p n/${i}; printf ${i} > n/${i}/f; printf ${i} > n/last; rm -rf n/${i - 2}`,
  );
  for (const [i, script] of many.entries()) {
    sh(
      `mkdir l && cd l && ${script.replace(/rm -rf n\/(-?\d+)/, 'touch n/.wh.$1')} && tar --numeric-owner -cf ../l.tar . && cd .. && rm -r l`,
      directory,
    );
    sh(`umoci raw add-layer --image ${layout}:x ${directory}/l.tar`, directory);
    t.ok(i >= 0);
  }
  sh(`skopeo copy -q oci:${layout}:x oci:${directory}/data/images:docker.io/library/x:forty`, directory);
  const mounted = must(image('mount', ['x:forty'])).stdout.trim();
  sh(`umoci unpack --image ${layout}:x ${directory}/whole`, directory);
  const ours = describeTree(mounted);
  const theirs = describeTree(join(directory, 'whole/rootfs'));
  t.same(withoutNoise(ours), withoutNoise(theirs));
  t.same(readdirSync(join(mounted, 'n')).sort(), ['36', '37', 'last']);
  must(image('umount', ['x:forty']));
});

/** umoci 0.4.7 has times of whole seconds for links, and loses those of directories that a whiteout is in. */
const withoutNoise = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/'-?\d+\.\d{9}'/, 'time').replace(/, b'\.\/[^\]]*?', \[/, ', ['));

t.test('what was killed is collected by the next command', { skip }, async (t) => {
  const { image, data, env, root, left, directory } = place(t);
  const args = ['--root', root, 'image', 'run', '--data-root', data, '--name', 'killed', 'x', 'sleep', '1000'];
  const child = spawn(RUNTIME, args, { env: { PATH: process.env['PATH'], ...env }, stdio: 'ignore' });
  const started = () => spawnedPid(root, 'killed') !== undefined;
  t.ok(eventually(started, 20_000));
  const pid = spawnedPid(root, 'killed') ?? 0;
  child.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  t.ok(
    eventually(() => !existsSync(`/proc/${pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))),
  );
  t.same([...new Set(left())], ['killed']);
  must(image('prune', []));
  t.same(left(), []);
  t.notOk(readFileSync('/proc/self/mountinfo', 'utf8').includes(directory));
});

function spawnedPid(root: string, id: string): number | undefined {
  try {
    const state = sh(`${RUNTIME} --root ${root} state ${id}`, '/');
    const { pid, status } = JSON.parse(state);
    return status === 'running' ? pid : undefined;
  } catch {
    return undefined;
  }
}

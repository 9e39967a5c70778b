// Images of a user without rights: uid 1000 without capabilities, with ids of /etc/subuid and without.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { HELPER } from '../../src/snapshot/helper.js';
import { hasOverlayfs } from '../../src/snapshot/overlay-support.js';
import { needCommand, needReadableBy, needRoot, needUserNamespace, skipUnless } from '../helpers/host.js';
import { sh } from '../helpers/layers.js';
import { busyboxPath, needBusybox } from '../helpers/rootfs.js';
import { IS_TSRUN, must, needRuntime, RUNTIME } from '../helpers/runtime.js';
import { walker } from '../helpers/walker.js';

const skip = skipUnless(
  needRuntime(),
  IS_TSRUN ? false : 'what other runtimes do not have',
  needRoot(),
  needBusybox(),
  needReadableBy(1000, RUNTIME),
  needUserNamespace(),
  needCommand('setpriv', 'util-linux'),
  needCommand('newuidmap', 'uidmap'),
);
const PASSWD = 'root:x:0:0::/root:/bin/sh\\napp:x:1000:1001::/home/app:/bin/sh\\n';
const GROUP = 'root:x:0:\\nextra:x:50:root\\n';

t.setTimeout(240_000);

/** A tar with files of several owners, and a device. */
function makeTar(directory: string): string {
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  const script = `mkdir -p bin etc tmp home/app && cp ${busyboxPath()} bin/busybox
    for name in sh ls cat id stat touch sleep chown; do ln -s busybox bin/$name; done
    printf '${PASSWD}' > etc/passwd; printf '${GROUP}' > etc/group; chown 1000:1001 home/app; chmod 1777 tmp
    printf secret > home/app/own; chown 1000:1001 home/app/own; chmod 600 home/app/own; mknod bin/disk b 7 0
    tar --numeric-owner -cf ../image.tar .`;
  sh(script, tree);
  return join(directory, 'image.tar');
}

function place(t: Test, { ids = true } = {}) {
  const user = walker(t);
  if (!ids) for (const file of ['subuid', 'subgid']) writeFileSync(join(user.home, 'etc', file), '');
  must(user.run('image', 'import', makeTar(user.home), 'bb:1'));
  const data = join(user.home, '.local/share/tsrun');
  return {
    user,
    data,
    nothingLeft: () => t.strictSame([...names(data, 'run'), ...names(data, 'snapshots/active')], []),
  };
}

const names = (data: string, path: string): string[] => readdirSync(join(data, path));

t.test('a user pulls files of other owners in, runs, changes, commits and removes', { skip }, async (t) => {
  const { user, data, nothingLeft } = place(t);
  const script = 'id -u; id -G; stat -c "%u:%g" /home/app/own; touch /new /tmp/x && stat -c %u /new';
  t.equal(must(user.run('image', 'run', 'bb:1', 'sh', '-c', script)).stdout, '0\n0 50\n1000:1001\n0\n');
  t.equal(must(user.run('image', 'run', '-u', 'app', 'bb:1', 'cat', '/home/app/own')).stdout, 'secret');
  t.match(user.run('image', 'run', '--read-only', 'bb:1', 'touch', '/x').stderr, 'Read-only file system');
  t.match(user.run('image', 'run', '-u', '70000', 'bb:1', 'id').stderr, 'ID 70000 of the container must be in');
  nothingLeft();

  const id = user.id();
  must(user.run('image', 'run', '-d', '--name', id, 'bb:1', 'sleep', '1000'));
  const write = 'echo more > /home/app/own; rm /etc/group; id -u';
  t.equal(must(user.run('exec', id, 'sh', '-c', write)).stdout, '0\n');
  t.equal(must(user.run('exec', '-u', '1000:1001', id, 'id', '-u')).stdout, '1000\n');
  must(user.run('image', 'commit', id, 'bb:2'));
  must(user.run('delete', '--force', id));
  nothingLeft();
  const show = 'cat /home/app/own; ls /etc/group';
  const after = user.run('image', 'run', '--snapshotter', 'copy', 'bb:2', 'sh', '-c', show);
  t.equal(after.stdout, 'more\n');
  t.match(after.stderr, 'No such file');

  const mounted = must(user.run('image', 'mount', 'bb:2')).stdout.trim();
  t.equal(statSync(join(mounted, 'home/app/own')).uid, 100_999, 'id 1000 of the image');
  t.match(must(user.run('image', 'mount')).stdout, mounted);
  must(user.run('image', 'umount', 'bb:2'));
  must(user.run('image', 'rm', 'bb:2'));
  must(user.run('image', 'rm', 'bb:1'));
  nothingLeft();
  t.strictSame(names(data, 'snapshots/trees'), []);
});

t.test('with one id everything is of root', { skip }, async (t) => {
  const { user, nothingLeft } = place(t, { ids: false });
  const script = 'id -u; stat -c "%u:%g" /home/app/own; cat /home/app/own';
  t.equal(must(user.run('image', 'run', 'bb:1', 'sh', '-c', script)).stdout, '0\n0:0\nsecret');
  t.match(user.run('image', 'run', '-u', 'app', 'bb:1', 'id').stderr, 'ID 1000 of the container must be in');
  nothingLeft();
});

/** A program of its own of a test's source, as the tests themselves are run. */
function bundled(file: string): string {
  const script = `import { bundleTests } from './scripts/lib/testing.mjs';
    const [program] = (await bundleTests(['${file}'])).values(); process.stdout.write(program);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

t.test(
  'the snapshots of a user keep their contract',
  {
    skip: skip || (hasOverlayfs() ? false : 'the kernel has no overlayfs') || needCommand('setfattr', 'attr'),
  },
  async (t) => {
    const user = walker(t);
    const program = bundled('test/snapshot/contract.user.ts');
    const maps = ['0 1000 1 1 100000 65536', '0 1000 1 1 100000 65536'];
    const tools = ['newuidmap', 'newgidmap'].map((name) => `/usr/bin/${name}`);
    const argv = [HELPER, 'enter', ...maps, ...tools, process.execPath, program];
    const env = { TMPDIR: user.home, PATH: process.env['PATH'] ?? '' };
    const { status, stdout } = user.as(argv, env, 200_000);
    t.equal(status, 0, stdout.replaceAll(/^ *ok .*\n/gm, ''));
    t.match(stdout, /^1\.\.1$/m);
  },
);

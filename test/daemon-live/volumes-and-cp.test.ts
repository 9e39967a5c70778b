// Volumes and docker cp through the real client: what images bring along, what links in containers cannot do, and that
// nothing stays mounted. Each refusal stands beside what works.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Daemon, needDocker, tsrunDaemon } from '../helpers/daemon.js';

t.setTimeout(240_000);
const skip = needDocker();
const SECRET = 'canary 81f0';

/** A busybox with a filled /data of another owner, and links that lead out. */
function withImage(t: Parameters<typeof tsrunDaemon>[0]): Daemon {
  const daemon = tsrunDaemon(t);
  const root = daemon.at('image');
  mkdirSync(join(root, 'bin'), { recursive: true });
  for (const directory of ['data/sub', 'etc', 'tmp', 'run']) mkdirSync(join(root, directory), { recursive: true });
  spawnSync('cp', ['/bin/busybox', join(root, 'bin/busybox')]);
  for (const name of ['sh', 'ls', 'cat', 'stat', 'sleep', 'mount', 'touch', 'ln', 'grep', 'id', 'rm', 'true'])
    symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nwww:x:1000:1000::/:/bin/sh\n');
  writeFileSync(join(root, 'data/f'), 'of the image');
  spawnSync('chown', ['-R', '1000:1000', join(root, 'data')]);
  spawnSync('chmod', ['750', join(root, 'data')]);
  mkdirSync(join(root, 'var'));
  symlinkSync('/run', join(root, 'var/run'));
  mkdirSync(daemon.at('canary'));
  writeFileSync(daemon.at('canary/secret'), SECRET);
  symlinkSync(daemon.at('canary'), join(root, 'out'));
  symlinkSync('../../../../../../../../../..', join(root, 'up'));
  const tar = spawnSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1 << 27 }).stdout;
  writeFileSync(daemon.at('image.tar'), tar);
  const made = daemon.docker(['import', daemon.at('image.tar'), 'bb:latest']);
  t.equal(made.status, 0, made.stderr);
  return daemon;
}

const ok = (t: Parameters<typeof tsrunDaemon>[0], { status, stderr, stdout }: ReturnType<Daemon['docker']>): string => {
  t.equal(status, 0, stderr);
  return stdout.trim();
};

t.test('a volume is filled once with what the image has there, owner and mode too', { skip }, async (t) => {
  const { docker, at } = withImage(t);
  t.equal(
    ok(t, docker(['run', '--rm', '--net', 'none', '-v', 'vol:/data', 'bb', 'stat', '-c', '%u %a', '/data'])),
    '1000 750',
  );
  ok(t, docker(['run', '--rm', '--net', 'none', '-v', 'vol:/data', 'bb', 'rm', '/data/f']));
  const second = docker(['run', '--rm', '--net', 'none', '-v', 'vol:/data', 'bb', 'ls', '/data']);
  t.equal(ok(t, second), 'sub', 'what was removed stays removed');
  const none = docker([
    'run',
    '--rm',
    '--net',
    'none',
    '--mount',
    'type=volume,src=bare,dst=/data,volume-nocopy',
    'bb',
    'ls',
    '/data',
  ]);
  t.equal(ok(t, none), '');
  t.match(docker(['volume', 'rm', 'nope']), { status: 1, stderr: /no such volume/ });
  t.match(docker(['volume', 'create', '../x']), { status: 1, stderr: /invalid characters for a local volume name/ });
  ok(t, docker(['create', '--name', 'user', '-v', 'vol:/x', 'bb', 'true']));
  t.match(docker(['volume', 'rm', 'vol']), { status: 1, stderr: /volume is in use/ });
  ok(t, docker(['rm', 'user']));
  ok(t, docker(['volume', 'rm', 'vol', 'bare']));
  t.notOk(existsSync(at('data/volumes/vol')));
});

t.test('anonymous volumes go with the container, named ones stay', { skip }, async (t) => {
  const { docker } = withImage(t);
  ok(t, docker(['run', '--rm', '--net', 'none', '-v', '/anon', '-v', 'kept:/k', 'bb', 'true']));
  t.equal(ok(t, docker(['volume', 'ls', '-q'])), 'kept');
});

t.test('a mount of a volume with options lasts as long as its containers', { skip }, async (t) => {
  const { docker, at } = withImage(t);
  ok(t, docker(['volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=64k', 'tv']));
  const seen = docker(['run', '--rm', '--net', 'none', '-v', 'tv:/v', 'bb', 'grep', ' /v ', '/proc/mounts']);
  t.match(ok(t, seen), /tmpfs .*size=64k/);
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), at('data/volumes'), 'nothing stays mounted');
  ok(t, docker(['volume', 'create', '-o', 'type=nofs', '-o', 'device=x', 'bad']));
  t.match(docker(['run', '--rm', '-v', 'bad:/v', 'bb', 'true']), {
    status: 125,
    stderr: /error while mounting volume.*ENODEV/s,
  });
});

t.test('a subpath of a volume stays below the volume, whatever links are in it', { skip }, async (t) => {
  const { docker, at } = withImage(t);
  const mount = (subpath: string) => [
    'run',
    '--rm',
    '--net',
    'none',
    '--mount',
    `type=volume,src=vol,dst=/v,volume-subpath=${subpath}`,
  ];
  ok(t, docker(['run', '--rm', '--net', 'none', '-v', 'vol:/data', 'bb', 'ln', '-s', at('canary'), '/data/out']));
  const refused = docker([...mount('out'), 'bb', 'cat', '/v/secret']);
  t.not(refused.status, 0);
  t.notMatch(refused.stdout, SECRET);
  t.match(docker([...mount('../..'), 'bb', 'true']), { stderr: /subpath must be a relative path/ });
  t.equal(ok(t, docker([...mount('sub'), 'bb', 'stat', '-c', '%u', '/v'])), '1000', 'what is there is mounted');
});

for (const state of ['created', 'running', 'exited'] as const) {
  t.test(`docker cp into and out of a container that is ${state}`, { skip }, async (t) => {
    const { docker, at } = withImage(t);
    ok(t, docker(['create', '--name', 'cc', '--net', 'none', '-v', 'vol:/data', 'bb', 'sleep', '1000']));
    if (state !== 'created') ok(t, docker(['start', 'cc']));
    if (state === 'exited') ok(t, docker(['stop', '-t', '0', 'cc']));
    writeFileSync(at('file'), 'of the host');
    ok(t, docker(['cp', at('file'), 'cc:/data/new']));
    ok(t, docker(['cp', at('file'), 'cc:/var/run/x']));
    ok(t, docker(['cp', 'cc:/data', at('copy')]));
    t.equal(readFileSync(at('copy/new'), 'utf8'), 'of the host');
    t.equal(readFileSync(at('copy/f'), 'utf8'), 'of the image', 'volumes are seen');
    ok(t, docker(['cp', 'cc:/run/x', at('x')]));
    t.equal(readFileSync(at('x'), 'utf8'), 'of the host', 'through the link in the image, within it');
    t.match(docker(['cp', 'cc:/out/secret', at('stolen')]), { status: 1, stderr: /Could not find the file/ });
    t.match(docker(['cp', `cc:/up${at('canary')}/secret`, at('stolen')]), {
      status: 1,
      stderr: /Could not find the file/,
    });
    docker(['cp', at('file'), 'cc:/out/secret']);
    docker(['cp', at('file'), 'cc:/out']);
    t.equal(readFileSync(at('canary/secret'), 'utf8'), SECRET, 'the host is untouched');
    t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${at('data/containers')}/\\S+/mounts`));
  });
}

t.test('archive: refusals have dockerd statuses', { skip }, async (t) => {
  const { docker, api, at } = withImage(t);
  ok(t, docker(['create', '--name', 'ro', '--read-only', '-v', 'vol:/data:ro', '-v', 'rw:/rw', 'bb', 'true']));
  ok(t, docker(['create', '--name', 'cc', 'bb', 'true']));
  mkdirSync(at('t'));
  writeFileSync(at('t/data'), 'a file');
  const tar = spawnSync('tar', ['-C', at('t'), '-c', 'data']).stdout;
  const hostile = spawnSync('tar', ['-C', at('t'), '-c', '--transform', 's,data,../../x,', '-P', 'data']).stdout;
  const put = async (query: string, name = 'cc', body: Uint8Array = tar) =>
    (await api('PUT', `/containers/${name}/archive?${query}`, { body })).status;
  t.equal(await put(''), 400, 'no path');
  t.equal(await put('path=/nope'), 404);
  t.equal(await put('path=/etc/passwd'), 400, 'no directory');
  t.equal(await put('path=/', 'cc', Buffer.alloc(700, 1)), 400, 'no tar');
  t.equal(await put('path=/tmp', 'cc', hostile), 400, '..');
  t.equal(await put('path=/&noOverwriteDirNonDir=1'), 400, 'a file over a directory');
  t.equal(await put('path=/etc', 'ro'), 403);
  t.equal(await put('path=/data', 'ro'), 403);
  t.equal(await put('path=/rw', 'ro'), 200);
  t.equal(await put('path=/../../tmp'), 200, '".." ends at the root');
  for (const program of ['gzip', 'bzip2', 'xz', 'zstd'] as const) {
    const packed = spawnSync(program, ['-c'], { input: tar });
    if (packed.error !== undefined) continue;
    t.equal(await put('path=/tmp', 'cc', packed.stdout), 200, program);
  }
  const head = await api('HEAD', '/containers/cc/archive?path=/var/run');
  const stat = JSON.parse(Buffer.from(String(head.headers['x-docker-container-path-stat']), 'base64').toString());
  t.match(stat, { name: 'run', linkTarget: '/run', mode: 2 ** 27 + 0o777 });
});

t.test('diff, export, commit, top, update and rename of a container that runs', { skip }, async (t) => {
  const { docker, api } = withImage(t);
  ok(t, docker(['run', '-d', '--name', 'cc', '--net', 'none', '--tmpfs', '/made', '-m', '32m', 'bb', 'sleep', '1000']));
  ok(t, docker(['exec', 'cc', 'touch', '/tmp/new']));
  ok(t, docker(['exec', 'cc', 'rm', '/data/f']));
  t.same(
    ok(t, docker(['diff', 'cc']))
      .split('\n')
      .sort(),
    ['A /tmp/new', 'C /data', 'C /tmp', 'D /data/f'],
  );
  const { text } = await api('GET', '/containers/cc/export');
  t.match(text, /ustar/);
  t.match(text, 'tmp/new');
  ok(t, docker(['commit', '--change', 'CMD ["ls", "/tmp"]', '--change', 'LABEL a="b c"', 'cc', 'made:1']));
  t.equal(ok(t, docker(['run', '--rm', '--net', 'none', 'made:1'])), 'new');
  t.match(docker(['commit', '--change', 'RUN true', 'cc', 'made:2']), {
    status: 1,
    stderr: /is not a valid change command/,
  });
  // CVE-2022-1227: ps is the host's.
  const trojan = 'rm /bin/ps; printf "#!/bin/sh\\n: >/tmp/ran\\n" >/bin/ps; chmod 755 /bin/ps';
  ok(t, docker(['exec', 'cc', 'sh', '-c', trojan]));
  t.match(ok(t, docker(['top', 'cc'])), /sleep 1000/);
  t.equal(docker(['exec', 'cc', 'ls', '/tmp/ran']).status, 1, 'no program of the image has run');
  ok(t, docker(['exec', 'cc', 'sh', '-c', '/bin/ps; cat /tmp/ran']));
  t.match(docker(['top', 'cc', '/etc/shadow']), { status: 1, stderr: /no option of ps/ });
  ok(t, docker(['update', '-m', '48m', '--memory-swap', '96m', 'cc']));
  t.equal(ok(t, docker(['inspect', '-f', '{{.HostConfig.Memory}}', 'cc'])), String(48 * 1024 * 1024));
  t.match(docker(['update', '-m', '1m', 'cc']), { status: 1, stderr: /Minimum memory limit allowed is 6MB/ });
  ok(t, docker(['rename', 'cc', 'dd']));
  t.match(docker(['rename', 'dd', '..']), { status: 1, stderr: /Invalid container name/ });
  ok(t, docker(['rm', '-f', 'dd']));
});

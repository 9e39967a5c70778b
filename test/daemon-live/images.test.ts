// Images through the daemon, with the clients that people use: docker, python3-docker, dockerode, curl.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needDocker, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must, place } from '../helpers/engine.js';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';
import { registry } from '../helpers/registry.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(240_000);
const skip = skipUnless(needDocker(), needCommand('docker-registry'), needCommand('curl'));
const needPython = (): Skip =>
  spawnSync('python3', ['-c', 'import docker']).status === 0 ? false : 'needs python3-docker (Debian package)';

t.test('docker: load, images, tag, history, inspect, save, import, rmi', { skip }, async (t) => {
  const d = tsrunDaemon(t);
  const docker = (...args: readonly string[]) => must(d.docker(args)).stdout;
  t.equal(docker('load', '--input', imageArchive(d.directory)), `Loaded image: ${IMAGE}\n`);
  docker('tag', IMAGE, 'box:1');
  t.strictSame(
    docker('images', '--format', '{{.Repository}}:{{.Tag}}').split('\n').sort().filter(Boolean),
    ['box:1', IMAGE].sort(),
  );
  t.equal(docker('images', '--quiet', '--filter', 'reference=box').split('\n').length, 2);
  t.equal(docker('images', '--quiet', '--filter', 'reference=b*:2'), '');
  t.equal(
    docker('inspect', '--format', '{{json .Config.Cmd}} {{.Os}} {{.RepoTags}}', 'box:1'),
    `["sh"] linux [box:1 ${IMAGE}]\n`,
  );
  t.match(docker('history', '--format', '{{.CreatedBy}}', 'box:1'), /busybox/);
  docker('save', '--output', join(d.directory, 's.tar'), 'box:1', IMAGE);
  t.equal(docker('rmi', 'box:1'), 'Untagged: box:1\n', 'it has another name');
  t.match(docker('rmi', IMAGE), new RegExp(`^Untagged: ${IMAGE}\nDeleted: sha256:[0-9a-f]{64}\n$`));
  t.equal(docker('images', '--quiet'), '');
  t.strictSame(docker('load', '--input', join(d.directory, 's.tar')).split('\n').sort().filter(Boolean), [
    'Loaded image: box:1',
    `Loaded image: ${IMAGE}`,
  ]);
  must(
    d.run('sh', [
      '-c',
      'mkdir "$0/tree" && echo hello > "$0/tree/hello" && tar -C "$0/tree" -c . > "$0/tree.tar"',
      d.directory,
    ]),
  );
  t.match(docker('import', '--message', 'mine', join(d.directory, 'tree.tar'), 'new:2'), /^sha256:[0-9a-f]{64}\n$/);
  t.match(docker('history', 'new:2'), /mine/);
  t.match(d.docker(['rmi', 'nosuch']), { status: 1, stderr: /No such image: nosuch:latest/ });
  t.match(docker('image', 'prune', '--all', '--force'), /deleted: sha256:[\s\S]*Total reclaimed space: [1-9]/);
  t.equal(docker('images', '--quiet'), '');
});

t.test('docker: pull, push, login, with a registry', { skip }, async (t) => {
  const own = place(t);
  const d = tsrunDaemon(t, [], own);
  const host = await registry(own, 'open');
  const docker = (...args: readonly string[]) => must(d.docker(args)).stdout;
  docker('load', '--input', imageArchive(d.directory));
  docker('tag', IMAGE, `${host}/a/b:1`);
  t.match(docker('push', `${host}/a/b:1`), /Pushed[\s\S]*1: digest: sha256:[0-9a-f]{64} size: \d+\n$/);
  docker('tag', IMAGE, `${host}/a/b:2`);
  t.match(docker('push', '--all-tags', `${host}/a/b`), /Layer already exists/);
  t.match(docker('inspect', '--format', '{{.RepoDigests}}', `${host}/a/b:1`), new RegExp(`${host}/a/b@sha256:`));
  docker('rmi', '--force', docker('inspect', '--format', '{{.Id}}', IMAGE).trim());
  const first = docker('pull', `${host}/a/b:1`);
  t.match(
    first,
    new RegExp(
      `1: Pulling from a/b\n[0-9a-f]{12}: Pulling fs layer\n[\\s\\S]*Pull complete\nDigest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for ${host}/a/b:1\n`,
    ),
  );
  t.match(docker('pull', `${host}/a/b:1`), /Status: Image is up to date for/);
  const digest = /Digest: (sha256:\S+)/.exec(first)?.[1] ?? '';
  t.match(docker('pull', `${host}/a/b@${digest}`), /Status: /);
  t.match(docker('pull', '--all-tags', `${host}/a/b`), /1: Pulling from a\/b[\s\S]*2: Pulling from a\/b/);
  t.match(d.docker(['pull', `${host}/a/b:nosuch`]), {
    status: 1,
    stderr: new RegExp(`manifest for ${host}/a/b:nosuch not found: manifest unknown`),
  });
  t.match(d.docker(['pull', '--platform', 'linux/nosuch', `${host}/a/b:1`]), { status: 1 });
  t.match((await d.api('GET', `/v1.43/distribution/${host}/a/b:1/json`)).json.Descriptor, { digest });
  const closed = await registry(own, 'closed', true);
  docker('tag', `${host}/a/b:1`, `${closed}/p:1`);
  t.match(d.docker(['push', `${closed}/p:1`]), { status: 1, stderr: /wants a user name and a password/ });
  t.match(d.docker(['login', '--username', 'me', '--password-stdin', closed], { input: 'wrong' }), { status: 1 });
  t.match(d.docker(['login', '--username', 'me', '--password-stdin', closed], { input: 'secret' }), {
    status: 0,
    stdout: /Login Succeeded/,
  });
  docker('push', `${closed}/p:1`);
  t.match(docker('pull', `${closed}/p:1`), /up to date/);
  const config = readFileSync(join(d.directory, 'config.json'), 'utf8');
  t.match(config, closed);
  docker('logout', closed);
  t.match(
    d.docker(['pull', `${closed}/p:1`]),
    { status: 1, stderr: /pull access denied for .* may require 'docker login'/ },
    'the daemon keeps no credentials',
  );
});

t.test('a mirror is asked before docker.io', { skip }, async (t) => {
  const own = place(t);
  const host = await registry(own, 'mirror');
  const d = tsrunDaemon(t, ['--registry-mirror', `http://${host}`], own);
  const docker = (...args: readonly string[]) => must(d.docker(args)).stdout;
  docker('load', '--input', imageArchive(d.directory));
  docker('tag', IMAGE, `${host}/library/box:1`);
  docker('push', `${host}/library/box:1`);
  t.match(docker('pull', 'box:1'), /1: Pulling from library\/box\n[\s\S]*for box:1\n/);
});

t.test('events: what happens to images, from the past and as it comes', { skip }, async (t) => {
  const d = tsrunDaemon(t);
  const watching = join(d.directory, 'events');
  d.daemon(
    'sh',
    [
      '-c',
      `exec docker --host unix://${d.socket} events --format '{{.Type}} {{.Action}} {{index .Actor.Attributes "name"}}' > ${watching}`,
    ],
    () => existsSync(watching),
  );
  t.ok(eventually(() => d.docker(['info', '--format', '{{.NEventsListener}}']).stdout.trim() === '1'));
  must(d.docker(['load', '--input', imageArchive(d.directory)]));
  must(d.docker(['tag', IMAGE, 'box:1']));
  must(d.docker(['rmi', 'box:1']));
  const wanted = `image load ${IMAGE}\nimage tag box:1\nimage untag box:1\n`;
  t.ok(
    eventually(() => readFileSync(watching, 'utf8') === wanted),
    readFileSync(watching, 'utf8'),
  );
  const past = d.docker([
    'events',
    '--since',
    '1h',
    '--until',
    String(Math.floor(Date.now() / 1000) + 1), // the command cuts "0s" to whole seconds, and the tag is of this one
    '--filter',
    'event=tag',
    '--format',
    '{{.Action}}',
  ]);
  t.equal(past.stdout, 'tag\n');
  t.match(
    (await d.api('GET', '/events?since=1h&until=0s&filters={"type":["image"]}'.replaceAll('"', '%22'))).text.split(
      '\n',
    )[0],
    /"status":"load".*"timeNano":\d{19}/,
  );
});

t.test('python3-docker', { skip: skipUnless(skip, needPython()) }, async (t) => {
  const d = tsrunDaemon(t);
  const script = `
import docker
c = docker.DockerClient(base_url='unix://${d.socket}', version='auto')
assert c.ping() and c.version()['Os'] == 'linux' and c.info()['Images'] == 0
i = c.images.load(open('${imageArchive(d.directory)}', 'rb'))[0]
assert i.tags == ['${IMAGE}'], i.tags
assert i.tag('py', 'one') and len(c.images.list(name='py')) == 1
assert len(i.history()) == 1
assert sum(len(b) for b in i.save()) > 100000
c.images.remove('py:one')
try: c.images.get('nosuch'); raise SystemExit('found')
except docker.errors.ImageNotFound: pass
assert c.containers.list(all=True) == [] and c.df()['LayersSize'] > 0
c.images.remove(i.id)
assert c.images.list() == []
print('done')`;
  t.match(d.run('python3', ['-c', script]), { status: 0, stdout: 'done\n' }, d.log());
});

/** Installed once, outside of the tree: nothing of ours needs it. */
function dockerode(): string | undefined {
  const home = join(process.env['XDG_CACHE_HOME'] ?? '/var/cache', 'tsrun', 'dockerode');
  if (existsSync(join(home, 'node_modules/dockerode'))) return home;
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{"private":true}');
  const done = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', 'dockerode@4.0.2'], {
    cwd: home,
  });
  return done.status === 0 ? home : undefined;
}

t.test('dockerode', { skip }, async (t) => {
  const home = dockerode();
  if (home === undefined) {
    t.pass('dockerode cannot be installed', { skip: 'npm has no registry' });
    return;
  }
  const d = tsrunDaemon(t);
  writeFileSync(
    join(d.directory, 'client.cjs'),
    `const Docker = require('${home}/node_modules/dockerode');
const d = new Docker({ socketPath: '${d.socket}' });
const assert = require('node:assert');
(async () => {
  assert.equal((await d.ping()).toString(), 'OK');
  const stream = await d.loadImage('${imageArchive(d.directory)}');
  const lines = await new Promise((resolve, reject) => d.modem.followProgress(stream, (e, all) => (e ? reject(e) : resolve(all))));
  assert.match(lines[0].stream, /Loaded image/);
  const image = d.getImage('${IMAGE}');
  assert.equal((await image.inspect()).Os, 'linux');
  await image.tag({ repo: 'node', tag: 'one' });
  assert.equal((await d.listImages({ filters: { reference: ['node'] } })).length, 1);
  await assert.rejects(d.getImage('nosuch').inspect(), { statusCode: 404, json: { message: 'No such image: nosuch:latest' } });
  assert.deepEqual(await d.listContainers({ all: true }), []);
  const HostConfig = { NetworkMode: 'none' };
  const c = await d.createContainer({ Image: 'node:one', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, HostConfig });
  const text = (stream) => new Promise((resolve, reject) => {
    let all = '';
    const sink = { write: (part) => (all += part) };
    d.modem.demuxStream(stream, sink, sink);
    stream.on('end', () => resolve(all)).on('error', reject);
  });
  const attached = await c.attach({ stream: true, stdin: true, stdout: true, hijack: true });
  await c.start();
  const exec = await c.exec({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'], AttachStdout: true, AttachStderr: true });
  assert.equal((await text(await exec.start({}))).split('\\n').sort().join(), ',err,out');
  assert.equal((await exec.inspect()).ExitCode, 3);
  const output = text(attached);
  attached.end('to and fro');
  assert.equal((await c.wait()).StatusCode, 0);
  assert.equal(await output, 'to and fro');
  assert.match(String(await c.logs({ stdout: true })), /to and fro/);
  await c.remove();
  await d.getImage('node:one').remove();
  console.log('done');
})();`,
  );
  t.match(d.run('node', [join(d.directory, 'client.cjs')]), { status: 0, stdout: 'done\n' }, d.log());
});

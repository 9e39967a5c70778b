// tsrun's registry with the clients that people have: docker, containerd, Podman, buildah and skopeo push to it and pull
// what the others pushed, over TLS with passwords where they can; and a registry that is killed in the middle.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import t, { type Test } from 'tap';
import { digestOf } from '../../src/util/digest.js';
import { IMAGE, imageArchive, must, type Place, place, RUNTIME } from '../helpers/engine.js';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';
import { eventually, needRuntime, type RunOptions } from '../helpers/runtime.js';
import { needTsrun } from '../helpers/traced.js';

t.setTimeout(300_000);
const skip = skipUnless(needRuntime(), needTsrun(), needRoot(), needCommand('skopeo'));

interface Own extends Place {
  readonly at: (name: string) => string;
  /** "127.0.0.1:PORT" */
  readonly host: string;
  readonly pid: number;
  readonly tsrun: (args: readonly string[], options?: RunOptions) => ReturnType<Place['run']>;
}

/** flags: of `registry serve`. */
function registry(t: Test, ...flags: readonly string[]): Own {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  mkdirSync(at('home'), { recursive: true });
  const env = { TSRUN_DATA_ROOT: at('data'), HOME: at('home') };
  const tsrun: Own['tsrun'] = (args, options = {}) =>
    own.run(RUNTIME, args, { ...options, env: { ...env, ...options.env } });
  const served = serve(own, 'log', ['--data-root', at('served'), '--listen', '127.0.0.1:0', ...flags]);
  return { ...own, at, tsrun, ...served };
}

function serve(own: Place, log: string, args: readonly string[]): Pick<Own, 'host' | 'pid'> {
  const file = join(own.directory, log);
  const listening = () =>
    /listening on https?:\/\/(\S+)\n/.exec(existsSync(file) ? readFileSync(file, 'utf8') : '')?.[1];
  const script = `exec "$0" "$@" > ${file} 2>&1`;
  const words = ['-c', script, RUNTIME, 'registry', 'serve', ...args];
  const { pid = 0 } = own.daemon('sh', words, () => listening() !== undefined);
  return { host: listening() ?? '', pid };
}

/** The busybox image under a name of the registry. */
function archiveOf(own: Own, name: string): string {
  const archive = own.at(`${name.replace('/', '-')}.tar`);
  if (!existsSync(own.at('image.tar'))) imageArchive(own.directory);
  must(own.tsrun(['image', 'load', '-q', '-i', own.at('image.tar')]));
  must(own.tsrun(['image', 'tag', IMAGE, `${own.host}/${name}:1`]));
  must(own.tsrun(['image', 'save', '-o', archive, `${own.host}/${name}:1`]));
  return archive;
}

const digestAt = (own: Own, reference: string): string => {
  const args = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${own.host}/${reference}`];
  return must(own.run('skopeo', args)).stdout.trim();
};

t.test('docker pushes and pulls', { skip: skipUnless(skip, needCommand('dockerd', 'docker.io')) }, async (t) => {
  const own = registry(t);
  const { at, host, tsrun } = own;
  const socket = `unix://${at('d.sock')}`;
  const places = [
    '--data-root',
    at('d'),
    '--exec-root',
    at('exec'),
    '--pidfile',
    at('pid'),
    '--config-file',
    at('d.json'),
  ];
  const network = ['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false'];
  writeFileSync(at('d.json'), '{}');
  const docker = (...args: readonly string[]) =>
    own.run('docker', ['--host', socket, ...args], { env: { DOCKER_CONFIG: own.directory } });
  const flags = ['--host', socket, ...places, ...network, '--storage-driver', 'vfs'];
  own.daemon('dockerd', flags, () => docker('version').status === 0);
  must(docker('load', '-i', archiveOf(own, 'by/tsrun')));
  must(docker('tag', `${host}/by/tsrun:1`, `${host}/by/docker:1`));
  t.match(must(docker('push', `${host}/by/docker:1`)).stdout, /digest: sha256:/);
  must(docker('tag', `${host}/by/docker:1`, `${host}/else/docker:1`));
  t.match(must(docker('push', `${host}/else/docker:1`)).stdout, /Mounted from by\/docker/);
  must(tsrun(['image', 'pull', '-q', `${host}/by/docker:1`]));
  must(tsrun(['image', 'push', '-q', IMAGE, `${host}/by/tsrun:2`]));
  t.match(must(docker('pull', `${host}/by/tsrun:2`)).stdout, /Downloaded newer image|Image is up to date/);
  must(docker('rmi', '-f', `${host}/by/docker:1`, `${host}/else/docker:1`, `${host}/by/tsrun:1`, `${host}/by/tsrun:2`));
  must(docker('pull', `${host}/by/tsrun:2`));
});

t.test('ctr of containerd pushes and pulls', { skip: skipUnless(skip, needCommand('containerd')) }, async (t) => {
  const own = registry(t);
  const { at, host, tsrun } = own;
  const plugins = 'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]';
  const sockets = `[grpc]\naddress = "${at('c.sock')}"\n[ttrpc]\naddress = "${at('c.ttrpc')}"\n`;
  writeFileSync(at('c.toml'), `version = 2\nroot = "${at('c')}"\nstate = "${at('cs')}"\n${plugins}\n${sockets}`);
  const ctr = (...args: readonly string[]) => own.run('ctr', ['--address', at('c.sock'), ...args]);
  own.daemon('containerd', ['--config', at('c.toml')], () => ctr('version').status === 0);
  must(ctr('image', 'import', '--snapshotter', 'native', archiveOf(own, 'by/tsrun')));
  must(ctr('image', 'tag', `${host}/by/tsrun:1`, `${host}/by/ctr:1`));
  must(ctr('image', 'push', '--plain-http', `${host}/by/ctr:1`));
  must(tsrun(['image', 'pull', '-q', `${host}/by/ctr:1`]));
  must(tsrun(['image', 'push', '-q', IMAGE, `${host}/by/tsrun:2`]));
  must(ctr('image', 'pull', '--plain-http', '--snapshotter', 'native', `${host}/by/tsrun:2`));
  t.match(must(ctr('image', 'ls', '-q')).stdout, `${host}/by/tsrun:2`);
});

t.test(
  'Podman, buildah and skopeo push and pull over TLS, with a password',
  { skip: skipUnless(skip, needCommand('podman'), needCommand('buildah')) },
  async (t) => {
    const made = place(t);
    const file = (name: string) => join(made.directory, name);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key')];
    const name = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', file('crt'), '-days', '2'];
    must(made.run('openssl', ['req', '-x509', ...key, ...name]));
    writeFileSync(file('users'), `me:${hashSync('secret', 4)}\n`);
    const tls = ['--tls-cert', file('crt'), '--tls-key', file('key'), '--htpasswd', file('users')];
    const own = registry(t, ...tls);
    const { at, host, tsrun, run } = own;
    const certs = join(at('certs'), host);
    mkdirSync(certs, { recursive: true });
    writeFileSync(join(certs, 'ca.crt'), readFileSync(file('crt')));
    const storage = ['--root', at('pod'), '--runroot', at('podrun'), '--storage-driver', 'vfs'];
    const open = ['--cert-dir', certs, '--creds', 'me:secret'];
    const ours = ['--certs-dir', at('certs')];
    must(tsrun(['login', ...ours, '-u', 'me', '--password-stdin', host], { input: 'secret' }));
    imageArchive(own.directory);
    must(tsrun(['image', 'load', '-q', '-i', at('image.tar')]));
    must(tsrun(['image', 'push', ...ours, '-q', IMAGE, `${host}/by/tsrun:1`]));
    t.not(run('skopeo', ['inspect', '--cert-dir', certs, `docker://${host}/by/tsrun:1`]).status, 0, 'no password');
    must(run('podman', [...storage, 'pull', '-q', ...open, `${host}/by/tsrun:1`]));
    must(run('podman', [...storage, 'push', '-q', ...open, `${host}/by/tsrun:1`, `docker://${host}/by/podman:1`]));
    const from = must(run('buildah', [...storage, 'from', ...open, `${host}/by/podman:1`])).stdout.trim();
    must(run('buildah', [...storage, 'config', '--env', 'BY=buildah', from]));
    must(run('buildah', [...storage, 'commit', '-q', ...open, from, `docker://${host}/by/buildah:1`]));
    must(run('buildah', [...storage, 'rm', '--all']));
    const creds = [
      '--src-creds',
      'me:secret',
      '--dest-creds',
      'me:secret',
      '--src-cert-dir',
      certs,
      '--dest-cert-dir',
      certs,
    ];
    const format = ['--format', 'v2s2', '-q'];
    must(run('skopeo', ['copy', ...format, ...creds, `docker://${host}/by/buildah:1`, `docker://${host}/by/skopeo:1`]));
    for (const by of ['podman', 'buildah', 'skopeo'])
      must(tsrun(['image', 'pull', ...ours, '-q', `${host}/by/${by}:1`]));
    t.match(
      must(tsrun(['image', 'inspect', '--format', '{{json .Config.Env}}', `${host}/by/skopeo:1`])).stdout,
      /BY=buildah/,
    );
    must(run('skopeo', ['delete', '--cert-dir', certs, '--creds', 'me:secret', `docker://${host}/by/skopeo:1`]));
    t.match(tsrun(['image', 'pull', ...ours, `${host}/by/skopeo:1`]).stderr, /404/);
  },
);

t.test(
  'a registry that is killed while it takes a push has nothing half, and the next one takes it',
  { skip },
  async (t) => {
    const own = registry(t);
    const { at, tsrun, run } = own;
    const victim = spawn(RUNTIME, ['registry', 'serve', '--data-root', at('killed'), '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, HOME: at('home') },
    });
    const said = await new Promise<string>((resolve) => victim.stdout.once('data', (bytes) => resolve(String(bytes))));
    const host = /http:\/\/(\S+)/.exec(said)?.[1] ?? '';
    must(run('umoci', ['init', '--layout', at('oci')]));
    must(run('umoci', ['new', '--image', `${at('oci')}:1`]));
    writeFileSync(at('file'), randomBytes(60_000_000));
    must(run('umoci', ['insert', '--rootless', '--image', `${at('oci')}:1`, at('file'), '/file']));
    const copy = ['copy', '-q', '--dest-tls-verify=false', `oci:${at('oci')}:1`];
    const push = spawn('skopeo', [...copy, `docker://${host}/app:1`], { stdio: 'ignore' });
    const ingest = at('killed/images/ingest');
    eventually(() => existsSync(ingest) && readdirSync(ingest).length > 0, 20_000);
    victim.kill('SIGKILL');
    push.kill('SIGKILL');
    await Promise.all([victim, push].map((child) => new Promise((resolve) => child.on('exit', resolve))));
    const { host: again } = serve(own, 'log2', ['--data-root', at('killed'), '--listen', '127.0.0.1:0']);
    const { status, stderr } = tsrun(['image', 'pull', `${again}/app:1`]);
    t.equal(status, 1);
    t.match(stderr, /404/);
    must(run('skopeo', [...copy, `docker://${again}/app:1`]));
    must(tsrun(['image', 'pull', '-q', `${again}/app:1`]));
    must(tsrun(['image', 'verify', `${again}/app:1`]));
    must(tsrun(['image', 'prune', '--data-root', at('killed')]));
    t.strictSame(readdirSync(ingest), []);
    must(tsrun(['image', 'pull', '-q', `${again}/app:1`]));
  },
);

t.test('a cache hands out what another registry has, also when that one is gone', { skip }, async (t) => {
  const own = registry(t);
  const { at, host, tsrun, run } = own;
  imageArchive(own.directory);
  must(tsrun(['image', 'load', '-q', '-i', at('image.tar')]));
  must(tsrun(['image', 'push', '-q', IMAGE, `${host}/app:1`]));
  const digest = digestAt(own, 'app:1');
  const { host: cache } = serve(own, 'log3', [
    '--data-root',
    at('cached'),
    '--listen',
    '127.0.0.1:0',
    '--cache-of',
    host,
  ]);
  const copy = (to: string) =>
    run('skopeo', ['copy', '-q', '--src-tls-verify=false', `docker://${cache}/app:1`, `dir:${at(to)}`]);
  must(copy('first'));
  process.kill(own.pid, 'SIGTERM');
  eventually(() => run('skopeo', ['inspect', '--tls-verify=false', `docker://${host}/app:1`]).status !== 0, 20_000);
  must(copy('second'));
  t.equal(digestOf(readFileSync(at('second/manifest.json'))), digest);
  const { stdout } = must(tsrun(['image', 'pull', '--mirror', `http://${cache}`, '-q', `${host}/app:1`]));
  t.equal(stdout, `${host}/app:1\n`);
});

// Images made by real tools and pulled by tsrun, pushed by tsrun and pulled by them, over docker-registry on loopback; and
// what the store does when pulls are killed, run at once, or fill the disk.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { digestOf } from '../../src/util/digest.js';
import { TAR_END, tarHeader, tarPadding } from '../../src/util/tar/writer.js';
import { imageArchive, must, type Place, place, RUNTIME } from '../helpers/engine.js';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';
import { eventually, needRuntime, type RunOptions } from '../helpers/runtime.js';
import { needTsrun } from '../helpers/traced.js';

t.setTimeout(300_000);
const needRegistry = needCommand('docker-registry');
const skip = skipUnless(needRuntime(), needTsrun(), needRegistry, needCommand('skopeo'), needCommand('umoci'));
/** bcrypt of "secret". */
const PASSWORD_HASH = '$2b$04$gpzrMXoVCYiitawX40xe7OJ4H2wCIXAUFRLHREFGpmvEbVLeVlHTS';
const MiB = 1024 * 1024;
const FILE = {
  kind: 'file',
  link: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  major: 0,
  minor: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map<string, Buffer>(),
} as const;

interface Peers extends Place {
  readonly host: string;
  readonly at: (name: string) => string;
  /** tsrun with a data root of this test. */
  readonly tsrun: (args: readonly string[], options?: RunOptions) => { status: number; stdout: string; stderr: string };
  /** Whether anything is in the store but names. */
  readonly blobs: () => string[];
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function peers(t: Test, auth = ''): Promise<Peers> {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  const host = `127.0.0.1:${await freePort()}`;
  writeFileSync(at('htpasswd'), `me:${PASSWORD_HASH}\n`);
  writeFileSync(
    at('config.yml'),
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${at('registry')}}, delete: {enabled: true}}
http: {addr: ${host}}
${auth === '' ? '' : `auth: {htpasswd: {realm: here, path: ${at('htpasswd')}}}`}
`,
  );
  const listens = () =>
    spawnSync('sh', ['-c', `exec 3<>/dev/tcp/${host.replace(':', '/')}`], { shell: '/bin/bash' }).status === 0;
  own.daemon('docker-registry', ['serve', at('config.yml')], listens);
  const env = { TSRUN_DATA_ROOT: at('data'), HOME: at('home') };
  const tsrun: Peers['tsrun'] = (args, options = {}) =>
    own.run(RUNTIME, args, { ...options, env: { ...env, ...options.env } });
  const blobs = () => readdirSync(at('data/images/blobs/sha256'));
  return { ...own, host, at, tsrun, blobs };
}

/** An OCI layout "oci:1" with layers of random bytes, made by umoci. */
function umociImage({ run, at }: Peers, sizes: readonly number[]): void {
  must(run('umoci', ['init', '--layout', at('oci')]));
  must(run('umoci', ['new', '--image', `${at('oci')}:1`]));
  sizes.forEach((size, index) => {
    const file = at(`file${index}`);
    writeFileSync(file, randomBytes(size));
    must(run('umoci', ['insert', '--rootless', '--image', `${at('oci')}:1`, file, `/file${index}`]));
  });
}

/** As docker once saved images, with plain tars as layers: making it costs no compression. */
function plainArchive({ run, at }: Peers, name: string, sizes: readonly number[]): string {
  const work = at(`work-${name}`);
  mkdirSync(work);
  const layers = sizes.map((size, index) => {
    const header = tarHeader({ ...FILE, name: `file${index}`, size });
    const bytes = Buffer.concat([header, randomBytes(size), tarPadding(size), TAR_END]);
    writeFileSync(join(work, `${index}.tar`), bytes);
    return { file: `${index}.tar`, diffId: digestOf(bytes) };
  });
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
  writeFileSync(join(work, 'config.json'), JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const image = { Config: 'config.json', RepoTags: [`${name}:1`], Layers: layers.map(({ file }) => file) };
  writeFileSync(join(work, 'manifest.json'), JSON.stringify([image]));
  must(run('tar', ['-cf', at(`${name}.tar`), '-C', work, '.']));
  must(run('rm', ['-rf', work]));
  return at(`${name}.tar`);
}

/** In the registry, and no longer in the store. */
function publishPlain(own: Peers, name: string, sizes: readonly number[], ...flags: readonly string[]): void {
  must(own.tsrun(['image', 'load', ...flags, '-q', '-i', plainArchive(own, name, sizes)]));
  must(own.tsrun(['image', 'push', ...flags, '-q', `${name}:1`, `${own.host}/${name}:1`]));
  must(own.tsrun(['image', 'rm', ...flags, `${name}:1`]));
}

const digestAt = ({ run }: Peers, reference: string): string =>
  must(
    run('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${reference}`]),
  ).stdout.trim();

const toRegistry = ({ run, host, at }: Peers, name: string, ...flags: readonly string[]) =>
  must(
    run('skopeo', [
      'copy',
      '-q',
      ...flags,
      '--dest-tls-verify=false',
      `oci:${at('oci')}:1`,
      `docker://${host}/${name}`,
    ]),
  );

t.test(
  'images of umoci and skopeo in both formats are pulled, and the layout is read by both as it is',
  { skip },
  async (t) => {
    const own = await peers(t);
    const { host, at, run, tsrun } = own;
    umociImage(own, [1000, 2000]);
    for (const [name, ...flags] of [
      ['oci:1', '--format', 'oci'],
      ['docker:1', '--format', 'v2s2'],
      ['zstd:1', '--format', 'oci', '--dest-compress-format', 'zstd'],
    ] as const) {
      toRegistry(own, name, ...flags);
      const pulled = must(tsrun(['image', 'pull', `${host}/${name}`]));
      t.match(
        pulled.stdout,
        new RegExp(
          `Digest: ${digestAt(own, `${host}/${name}`)}\nStatus: Downloaded newer image for ${host}/${name}\n$`,
        ),
      );
      t.equal(must(tsrun(['image', 'verify', `${host}/${name}`])).stdout, `${host}/${name}: OK\n`);
      if (name === 'docker:1') continue; // in the layout too, but skopeo and umoci look for OCI's media types only
      const layout = `oci:${at('data/images')}:${host}/${name}`;
      t.equal(
        must(run('skopeo', ['inspect', '--format', '{{.Digest}}', layout])).stdout.trim(),
        digestAt(own, `${host}/${name}`),
      );
    }
    must(run('umoci', ['unpack', '--rootless', '--image', `${at('data/images')}:${host}/oci:1`, at('bundle')]));
    t.same(readFileSync(at('bundle/rootfs/file1')), readFileSync(at('file1')));
    const listed = must(tsrun(['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}']))
      .stdout.trim()
      .split('\n')
      .sort();
    t.same(listed, [`${host}/docker:1`, `${host}/oci:1`, `${host}/zstd:1`]);
  },
);

t.test(
  'what tsrun pushes has the same digest, and skopeo, podman and buildah pull it',
  { skip: skipUnless(skip, needRoot()) },
  async (t) => {
    const own = await peers(t);
    const { host, at, run, tsrun } = own;
    const archive = imageArchive(own.directory);
    t.equal(must(tsrun(['image', 'load', '-i', archive])).stdout, 'Loaded image: localhost/tsrun-test:latest\n');
    const pushed = must(tsrun(['image', 'push', 'localhost/tsrun-test', `${host}/made/box:1`]));
    const digest = /^1: digest: (sha256:\w+) size: \d+$/m.exec(pushed.stdout)?.[1];
    t.equal(digestAt(own, `${host}/made/box:1`), digest);
    t.match(
      must(tsrun(['image', 'push', 'localhost/tsrun-test', `${host}/made/box:2`])).stdout,
      /Layer already exists/,
    );
    must(tsrun(['image', 'pull', `${host}/made/box:1`]));
    t.match(must(tsrun(['image', 'push', `${host}/made/box:1`, `${host}/else/box:1`])).stdout, /: Mounted\n/);
    must(run('skopeo', ['copy', '-q', '--src-tls-verify=false', `docker://${host}/else/box:1`, `oci:${at('copy')}:1`]));
    const storage = ['--root', at('pod'), '--runroot', at('podrun'), '--storage-driver', 'vfs'];
    if (needCommand('podman') === false) {
      must(run('podman', [...storage, 'pull', '-q', '--tls-verify=false', `${host}/made/box:1`]));
      must(run('podman', [...storage, 'save', '-q', '-o', at('podman.tar'), `${host}/made/box:1`]));
      t.equal(must(tsrun(['image', 'load', '-i', at('podman.tar')])).stdout, `Loaded image: ${host}/made/box:1\n`);
      must(tsrun(['image', 'save', '-o', at('tsrun.tar'), `${host}/made/box:1`]));
      t.match(
        must(run('podman', [...storage, 'load', '-q', '-i', at('tsrun.tar')])).stdout,
        new RegExp(`${host}/made/box:1`),
      );
    }
    if (needCommand('buildah') === false) {
      const from = must(run('buildah', [...storage, 'from', '--tls-verify=false', `${host}/made/box:1`])).stdout.trim();
      must(run('buildah', [...storage, 'config', '--env', 'BY=buildah', from]));
      must(run('buildah', [...storage, 'commit', '-q', '--tls-verify=false', from, `docker://${host}/made/box:3`]));
      must(tsrun(['image', 'pull', '-q', `${host}/made/box:3`]));
      t.match(
        must(tsrun(['image', 'inspect', '--format', '{{json .Config.Env}}', `${host}/made/box:3`])).stdout,
        /BY=buildah/,
      );
      must(run('buildah', [...storage, 'rm', '--all']));
    }
  },
);

t.test("credentials of login are docker's and podman's, and go when logged out", { skip }, async (t) => {
  const own = await peers(t, 'htpasswd');
  const { host, at, run, tsrun } = own;
  umociImage(own, [10]);
  must(
    run('skopeo', [
      'copy',
      '-q',
      '--dest-tls-verify=false',
      '--dest-creds',
      'me:secret',
      `oci:${at('oci')}:1`,
      `docker://${host}/app:1`,
    ]),
  );
  const refused = tsrun(['image', 'pull', `${host}/app:1`]);
  t.equal(refused.status, 1);
  t.match(
    refused.stderr,
    new RegExp(
      `^tsrun: image pull: image "${host}/app:1": registry ${host}: it wants a user name and a password\nhint: tsrun login ${host}\n`,
    ),
  );
  const wrong = tsrun(['login', '-u', 'me', '--password-stdin', host], { input: 'wrong\n' });
  t.equal(wrong.status, 1);
  t.notMatch(wrong.stderr, /wrong/);
  t.notOk(existsSync(at('home/.docker/config.json')), 'nothing is kept that does not work');
  t.match(
    must(tsrun(['login', '-u', 'me', '--password-stdin', host], { input: 'secret\n' })).stdout,
    /^Login Succeeded/,
  );
  t.equal(statSync(at('home/.docker/config.json')).mode & 0o777, 0o600);
  must(tsrun(['image', 'pull', '-q', `${host}/app:1`]));
  must(tsrun(['image', 'push', '-q', `${host}/app:1`, `${host}/app:2`]));
  must(
    run('skopeo', [
      'inspect',
      '--tls-verify=false',
      '--authfile',
      at('home/.docker/config.json'),
      `docker://${host}/app:2`,
    ]),
  );
  must(tsrun(['logout', host]));
  t.equal(tsrun(['image', 'pull', `${host}/app:2`]).status, 1);
});

t.test('a credential helper is asked and told', { skip }, async (t) => {
  const own = await peers(t, 'htpasswd');
  const { host, at, tsrun } = own;
  mkdirSync(at('bin'));
  const helper = `#!/bin/sh
read -r input
echo "$1 $input" >> ${at('calls')}
case $1 in get) cat ${at('secret')} 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
store) printf '{"Username":"me","Secret":"secret"}' > ${at('secret')} ;;
erase) rm -f ${at('secret')} ;;
esac
`;
  writeFileSync(at('bin/docker-credential-test'), helper, { mode: 0o755 });
  mkdirSync(at('home/.docker'), { recursive: true });
  writeFileSync(at('home/.docker/config.json'), '{"credsStore":"test","other":{"kept":true}}');
  const env = { PATH: `${at('bin')}:${process.env['PATH']}` };
  must(tsrun(['login', '-u', 'me', '-p', 'secret', host], { env }));
  t.equal(tsrun(['image', 'pull', `${host}/none`], { env }).stderr.includes('404'), true, 'it is let in');
  must(tsrun(['logout', host], { env }));
  t.notOk(existsSync(at('secret')));
  const config = readFileSync(at('home/.docker/config.json'), 'utf8');
  t.same(JSON.parse(config).other, { kept: true });
  t.notMatch(config, /secret/, "the secret is the helper's");
  t.match(readFileSync(at('calls'), 'utf8'), new RegExp(`^get ${host}$`, 'm'));
});

t.test(
  'an image of 40 layers, and one of 256 MiB in little memory',
  { skip: skipUnless(skip, needCommand('python3')) },
  async (t) => {
    const own = await peers(t);
    const { host, at, run, tsrun } = own;
    publishPlain(own, 'large', [256 * MiB]);
    const peak =
      'import resource,subprocess,sys; s=subprocess.run(sys.argv[1:]).returncode; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(s)';
    const measure = (...args: readonly string[]) => {
      const env = { TSRUN_DATA_ROOT: at('data'), HOME: at('home') };
      return (
        Number(
          must(run('python3', ['-c', peak, RUNTIME, ...args], { env }))
            .stdout.trim()
            .split('\n')
            .at(-1),
        ) / 1024
      );
    };
    const pulled = measure('image', 'pull', '-q', `${host}/large:1`);
    t.ok(pulled < 150, `pull: ${pulled} MiB`);
    const pushed = measure('image', 'push', '-q', `${host}/large:1`, `${host}/again:1`);
    t.ok(pushed < 150, `push: ${pushed} MiB`);
    const saved = measure('image', 'save', '-o', at('large.tar'), `${host}/large:1`);
    t.ok(saved < 150, `save: ${saved} MiB`);
    must(tsrun(['image', 'rm', `${host}/large:1`]));
    const loaded = measure('image', 'load', '-q', '-i', at('large.tar'));
    t.ok(loaded < 150, `load: ${loaded} MiB`);
    must(tsrun(['image', 'verify']));
    publishPlain(own, 'many', Array(40).fill(1000));
    must(tsrun(['image', 'pull', '-q', `${host}/many:1`]));
    const rows = must(tsrun(['image', 'inspect', '--format', '{{len .RootFS.Layers}}', `${host}/many:1`])).stdout;
    t.equal(rows, '40\n');
  },
);

t.test('a pull that is killed leaves nothing visible, and the next one goes on with it', { skip }, async (t) => {
  const own = await peers(t);
  const { host, at, tsrun, blobs } = own;
  publishPlain(own, 'large', [120 * MiB]);
  const env = { ...process.env, TSRUN_DATA_ROOT: at('data'), HOME: at('home') };
  const unfinished = () => {
    const ingest = at('data/images/ingest');
    const sizes = existsSync(ingest) ? readdirSync(ingest).map((name) => statSync(join(ingest, name)).size) : [];
    return Math.max(0, ...sizes);
  };
  const child = spawn(RUNTIME, ['image', 'pull', '-q', `${host}/large:1`], { env, stdio: 'ignore' });
  eventually(() => unfinished() > 10 * MiB, 30_000);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('exit', resolve));
  const left = unfinished();
  t.ok(left > 10 * MiB, 'it was in the middle');
  t.equal(must(tsrun(['image', 'ls', '-q'])).stdout, '');
  t.equal(blobs().length, 1, 'the config');
  const [first, second] = [0, 1].map(() =>
    spawn(RUNTIME, ['image', 'pull', '-q', `${host}/large:1`], { env, stdio: 'ignore' }),
  );
  must(tsrun(['image', 'prune', '--force']));
  const ends = [first, second].map((pull) => new Promise((resolve) => pull?.on('exit', resolve)));
  t.same(await Promise.all(ends), [0, 0], 'two at once, and a prune');
  t.equal(must(tsrun(['image', 'verify'])).stdout, `${host}/large:1: OK\n`);
  must(tsrun(['image', 'rm', `${host}/large:1`]));
  t.same(blobs(), []);
});

t.test(
  'a full disk is a clear error and leaves the store as it was',
  { skip: skipUnless(skip, needRoot()) },
  async (t) => {
    const own = await peers(t);
    const { host, at, run, tsrun, blobs } = own;
    umociImage(own, [100]);
    toRegistry(own, 'small:1');
    mkdirSync(at('data'));
    must(run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', at('data')]));
    must(tsrun(['image', 'pull', '-q', `${host}/small:1`]));
    const before = [blobs().sort(), readFileSync(at('data/images/index.json'), 'utf8')];
    publishPlain(own, 'large', [20 * MiB], '--data-root', at('other'));
    const { status, stderr } = tsrun(['image', 'pull', `${host}/large:1`]);
    t.equal(status, 1);
    t.match(stderr, new RegExp(`image "${host}/large:1": .*ENOSPC \\(no space left on device\\)`));
    must(tsrun(['image', 'prune']));
    t.same([blobs().sort(), readFileSync(at('data/images/index.json'), 'utf8')], before);
    const { stderr: loading } = tsrun(['image', 'load', '-i', at('large.tar')]);
    t.match(loading, /ENOSPC/);
    t.same([blobs().sort(), readFileSync(at('data/images/index.json'), 'utf8')], before);
    t.equal(must(tsrun(['image', 'verify'])).status, 0);
  },
);

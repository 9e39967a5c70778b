// SELinux with a policy, enforcing: process.selinuxLabel and linux.mountLabel on the kernel of `npm run vm`, which has
// SELinux on and no policy of its own. That in selinux.cil is loaded. What a label forbids is shown beside what it allows.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needCommand, needVm, skipUnless } from '../helpers/host.js';
import {
  type Bundle,
  IS_TSRUN,
  must,
  needRuntime,
  REPO,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const SELINUX = '/sys/fs/selinux';
const skip = skipUnless(needVm(), needRuntime(), needCommand('secilc'), loadPolicy());
const onlyTsrun = skipUnless(skip, IS_TSRUN ? false : 'the words of tsrun');

const PROCESS = 'system_u:system_r:container_t:s0:c1,c2';
const FILES = 'system_u:object_r:container_file_t:s0:c1,c2';
/** Files of the sandbox: of every container, so that output and sockets can be used. */
const SHARED = 'system_u:object_r:container_file_t:s0';
const HOST = 'system_u:object_r:host_t:s0';
const OTHER = 'system_u:object_r:container_file_t:s0:c3';

/** Compiles and loads the policy, and enforces it. Returns the reason when this kernel has no SELinux. */
function loadPolicy(): string | false {
  if (needVm() !== false) return false;
  if (!existsSync(join(SELINUX, 'load'))) spawnSync('mount', ['-t', 'selinuxfs', 'none', SELINUX]);
  if (!existsSync(join(SELINUX, 'load'))) return 'this kernel was booted without SELinux';
  const version = readFileSync(join(SELINUX, 'policyvers'), 'utf8');
  const source = join(REPO, 'test/security/selinux.cil');
  const compiled = spawnSync('secilc', ['-c', version, source, '-o', '/tmp/policy', '-f', '/dev/null']);
  if (compiled.status !== 0) throw new Error(compiled.stderr.toString());
  writeFileSync(join(SELINUX, 'load'), readFileSync('/tmp/policy'));
  writeFileSync(join(SELINUX, 'enforce'), '1');
  return false;
}

const label = (path: string, of: string, ...options: string[]) => {
  const done = spawnSync('chcon', [...options, of, path]);
  if (done.status !== 0) throw new Error(done.stderr.toString());
};

/** Of a file of the container, as the host sees it. */
function labelOf(box: Sandbox, id: string, path: string): string {
  const place = `/proc/${box.state(id).pid}/root${path}`;
  return must(runProgram('stat', ['--format=%C', place], box.directory)).stdout.trim();
}

function labelled(box: Sandbox, args: string[], edit: (config: Bundle['config']) => void = () => {}): Bundle {
  label(box.directory, SHARED);
  const of = box.bundle(args, (config) => {
    config['process'].selinuxLabel = PROCESS;
    config['linux'].mountLabel = FILES;
    edit(config);
  });
  label(of.rootfs, FILES, '-R');
  return of;
}

/** Directory with a file of each kind, bound at /given. */
function given(box: Sandbox): { readonly directory: string; readonly mount: object } {
  const directory = join(box.directory, 'given');
  mkdirSync(directory);
  for (const [name, of] of [
    ['host', HOST],
    ['own', FILES],
    ['other', OTHER],
  ] as const) {
    writeFileSync(join(directory, name), `${name}\n`);
    label(join(directory, name), of);
  }
  return { directory, mount: { destination: '/given', type: 'bind', source: directory, options: ['rbind'] } };
}

t.test(
  'selinuxLabel confines the program: its own files only, and only as far as its categories reach',
  { skip },
  async (t) => {
    const box = sandbox(t);
    label(box.directory, SHARED);
    const { directory, mount } = given(box);
    const id = box.start(labelled(box, ['sleep', '1000'], (config) => config['mounts'].push(mount)));
    const { pid } = box.state(id);
    t.equal(readFileSync(`/proc/${pid}/attr/current`, 'utf8').replace(/\0$/, ''), PROCESS);
    const sh = (script: string, ...flags: string[]) => box.run(['exec', ...flags, id, 'sh', '-c', script]);
    t.equal(must(sh('cat /proc/self/attr/current')).stdout.replace(/\0$/, ''), PROCESS, 'exec gets the same label');
    t.equal(must(sh('cat /given/host; echo more >>/given/own; cat /given/own')).stdout, 'host\nown\nmore\n');
    t.match(sh('echo no >/given/host').stderr, /ermission denied/, 'the files of the host are not its to write');
    t.match(sh('cat /given/other').stderr, /ermission denied/, 'nor are those of another category to read');
    t.equal(readFileSync(join(directory, 'host'), 'utf8'), 'host\n');
    t.match(spawnSync('ls', ['-Z', join(directory, 'host')]).stdout.toString(), HOST, 'a bind source keeps its label');
    const wide = 'system_u:system_r:container_t:s0:c1,c2,c3';
    t.equal(must(sh('cat /given/other', '--process-label', wide)).stdout, 'other\n', 'exec --process-label');
  },
);

t.test('the session keyring bears the label of the program: it may see its own', { skip }, async (t) => {
  const box = sandbox(t);
  const of = labelled(box, ['cat', '/proc/keys'], (config) => {
    config['linux'].maskedPaths = [];
  });
  const id = box.id();
  t.match(must(box.run(['run', '--bundle', of.path, id])).stdout, new RegExp(`keyring\\s+_ses\\.${id}`));
  of.config['process'].selinuxLabel = 'system_u:system_r:keyless_t:s0:c1,c2';
  of.save();
  const other = box.id();
  t.notMatch(must(box.run(['run', '--bundle', of.path, other])).stdout, '_ses.', 'not where the policy hides them');
});

t.test('mountLabel is on every new file system that takes it, and what is made there', { skip }, async (t) => {
  const box = sandbox(t);
  label(box.directory, SHARED);
  const layers = ['lower', 'upper', 'work'].map((name) => join(box.directory, name));
  for (const layer of layers) mkdirSync(layer);
  const overlay = spawnSync('modprobe', ['-d', '/run/modules', 'overlay']).status === 0;
  const [lower, upper, work] = layers;
  const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`];
  const places = ['/dev', '/dev/shm', '/dev/mqueue', '/own', ...(overlay ? ['/overlay'] : [])];
  const of = labelled(box, ['sleep', '1000'], ({ mounts }) => {
    mounts.push({ destination: '/own', type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] });
    mounts.push(
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm' },
      { destination: '/dev/mqueue', type: 'mqueue' },
    );
    if (overlay) mounts.push({ destination: '/overlay', type: 'overlay', source: 'overlay', options });
  });
  const id = box.start(of);
  const made = ['/dev/shm/file', '/own/file'];
  must(box.run(['exec', id, 'touch', ...made]));
  for (const place of [...places, ...made]) t.equal(labelOf(box, id, place), FILES, place);
  t.ok(overlay, 'overlay was there to be tried');
});

t.test('a mount of its own label keeps it', { skip }, async (t) => {
  const box = sandbox(t);
  const of = labelled(box, ['sleep', '1000'], ({ mounts }) => {
    mounts.push({ destination: '/own', type: 'tmpfs', source: 'tmpfs', options: [`context="${SHARED}"`] });
  });
  t.equal(labelOf(box, box.start(of), '/own'), SHARED);
});

t.test(
  'a label that the policy does not know, or does not allow, is refused by its field',
  { skip: onlyTsrun },
  async (t) => {
    const box = sandbox(t);
    const refused = (edit: (config: Bundle['config']) => void): string => {
      const id = box.id();
      const done = box.run(['run', '--bundle', labelled(box, ['true'], edit).path, id]);
      t.not(done.status, 0);
      t.notOk(existsSync(join(box.root, id)), 'nothing is left');
      return done.stderr;
    };
    const unknown = 'system_u:object_r:nosuch_t:s0';
    const asProcess = refused((config) => {
      config['process'].selinuxLabel = unknown;
    });
    t.match(asProcess, `/process/selinuxLabel: give new keys the SELinux label '${unknown}': EINVAL`);
    t.match(asProcess, 'hint: the SELinux policy does not know this label');
    const asMount = refused((config) => {
      config['linux'].mountLabel = unknown;
    });
    t.match(asMount, /mount 'tmpfs' on '\/dev': EINVAL[\s\S]*hint: the SELinux policy may not know the label/);
    const forbidden = refused((config) => {
      config['process'].selinuxLabel = 'system_u:system_r:closed_t:s0';
    });
    t.match(forbidden, /\/process\/args\/0: exec \S+: permission denied/);
    t.match(forbidden, /hint: .*SELinux/);
  },
);

t.test('exec --process-label is refused with the label', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.start(labelled(box, ['sleep', '1000']));
  const { status, stderr } = box.run(['exec', '--process-label', 'a:b:nosuch_t:s0', id, 'true']);
  t.equal(status, 255);
  t.match(stderr, /\/selinuxLabel: .*SELinux label 'a:b:nosuch_t:s0': EINVAL/);
  t.equal(must(runProgram('cat', [join(SELINUX, 'enforce')], box.directory)).stdout, '1', 'all of this was enforced');
});

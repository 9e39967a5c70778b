// linux.netDevices with real devices: pairs of veth, one end of which a container takes.
import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';
import { eventually, IS_TSRUN, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

function ip(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  return { status: status ?? 128, stdout, stderr };
}

function needVeth(): Skip {
  const name = `tx${process.pid % 10_000}`;
  const made = ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
  ip('link', 'delete', name);
  return made.status === 0 ? false : `cannot make veth devices: ${made.stderr.trim()}`;
}

const tools = skipUnless(
  needRuntime(),
  needCommand('ip', 'iproute2'),
  IS_TSRUN ? false : 'a field older runtimes do not know',
);
const skip = tools || needVeth();

let counter = 0;

const MAC = '02:11:22:33:44:55';
const exists = (name: string) => ip('link', 'show', 'dev', name).status === 0;

/** A pair with an address of each kind, up; the name of the end to move. It is gone after the test. */
function veth(t: Test): string {
  const name = `tx${process.pid % 100_000}n${++counter}`;
  const peer = `${name}p`;
  t.teardown(() => {
    ip('link', 'delete', peer);
    if (!eventually(() => !exists(name) && !exists(peer))) throw new Error(`${name} stays`);
  });
  for (const args of [
    ['link', 'add', name, 'type', 'veth', 'peer', 'name', peer],
    ['link', 'set', name, 'address', MAC, 'mtu', '1400'],
    ['address', 'add', '10.99.1.2/24', 'broadcast', '10.99.1.255', 'dev', name],
    ['address', 'add', 'fd99::2/64', 'dev', name, 'nodad'],
    ['address', 'add', '10.99.2.2/24', 'scope', 'link', 'dev', name],
    ['link', 'set', name, 'up'],
    ['link', 'set', peer, 'up'],
  ])
    must(ip(...args));
  return name;
}

const take =
  (devices: object, more: (config: TestConfig) => void = () => {}) =>
  (config: TestConfig): void => {
    config['linux'].netDevices = devices;
    more(config);
  };

function joinNetwork(path: string): (config: TestConfig) => void {
  return (config) => {
    config['linux'].namespaces = config['linux'].namespaces.map((one: { type: string }) =>
      one.type === 'network' ? { ...one, path } : one,
    );
  };
}

/** What a failed create must leave as it was. */
function checkUntouched(t: Test, name: string): void {
  const text = ip('address', 'show', 'dev', name).stdout;
  t.match(text, /[<,]UP[,>].* mtu 1400 /);
  t.match(text, new RegExp(`link/ether ${MAC}`));
  t.match(text, /inet 10\.99\.1\.2\/24 brd 10\.99\.1\.255 scope global/);
  t.match(text, /inet6 fd99::2\/64 scope global/);
  t.match(ip('route').stdout, new RegExp(`10\\.99\\.1\\.0/24 dev ${name} `));
}

function refused(t: Test, box: Sandbox, edit: (config: TestConfig) => void, message: RegExp): void {
  const result = box.run(['create', '--bundle', box.bundle(['sleep', '1000'], edit).path, box.id()]);
  t.equal(result.status, 1);
  t.match(result.stderr, message);
}

t.test(
  'a device is moved in, renamed and up, with its hardware address, MTU and permanent global addresses',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const name = veth(t);
    const id = box.start(box.bundle(undefined, take({ [name]: { name: 'eth%d' } })));
    t.notOk(exists(name), 'the host no longer has it');
    const text = must(box.run(['exec', id, 'ip', 'address', 'show', 'dev', 'eth0'])).stdout;
    t.match(text, /[<,]UP[,>].* mtu 1400 /);
    t.match(text, new RegExp(`link/ether ${MAC}`));
    t.match(text, /inet 10\.99\.1\.2\/24 brd 10\.99\.1\.255 scope global eth0/);
    t.match(text, /inet6 fd99::2\/64 scope global/);
    t.notMatch(text, /10\.99\.2\.2/, 'addresses of the link stay behind');
    t.match(must(box.run(['exec', id, 'ip', 'route'])).stdout, /10\.99\.1\.0\/24 dev eth0/);
  },
);

t.test('the name stays when the config gives no other, and hooks find the device inside', { skip }, async (t) => {
  const box = sandbox(t);
  const name = veth(t);
  const script = `pid=$(tr -d ' \\t\\n' | sed 's/.*"pid":\\([0-9]*\\).*/\\1/') && grep ${name} /proc/$pid/net/dev`;
  const hook = { path: '/bin/sh', args: ['sh', '-c', script] };
  const edit = take({ [name]: {} }, (config) => {
    config['hooks'] = { createRuntime: [{ ...hook, env: ['PATH=/bin:/usr/bin'] }] };
  });
  const result = box.run(['run', '--bundle', box.bundle(['ip', 'link', 'show', 'dev', name], edit).path, box.id()]);
  t.equal(result.status, 0, result.stderr);
});

t.test('a device goes into a network namespace that is joined, and stays there', { skip }, async (t) => {
  const box = sandbox(t);
  const name = veth(t);
  const namespace = `${name}ns`;
  must(ip('netns', 'add', namespace));
  t.teardown(() => ip('netns', 'delete', namespace));
  const edit = take({ [name]: { name: 'eth0' } }, (config) => {
    const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    joinNetwork(`/run/netns/${namespace}`)(config);
    config['linux'].namespaces.push({ type: 'user' });
    config['linux'].uidMappings = map;
    config['linux'].gidMappings = map;
    // The owner of that network namespace is the host.
    config['mounts'] = config['mounts'].filter(({ destination }: TestConfig) => destination !== '/sys');
  });
  const result = box.run([
    'run',
    '--bundle',
    box.bundle(['ip', 'address', 'show', 'dev', 'eth0'], edit).path,
    box.id(),
  ]);
  t.equal(result.status, 0, result.stderr);
  t.match(result.stdout, /inet 10\.99\.1\.2\/24/);
  t.match(ip('-n', namespace, 'link').stdout, /eth0/, 'the runtime does not move it back');
});

t.test('a create that fails gives a device back as it was', { skip }, async (t) => {
  const box = sandbox(t);
  const name = veth(t);
  refused(
    t,
    box,
    take({ [name]: { name: 'lo' } }),
    new RegExp(`/linux/netDevices/${name}: .*EEXIST[\\s\\S]*hint: the container has`),
  );
  checkUntouched(t, name);
  refused(
    t,
    box,
    take({ [name]: {}, nosuch: {} }),
    /\/linux\/netDevices\/nosuch: .*ENODEV[\s\S]*hint: the host has no such/,
  );
  checkUntouched(t, name);
  refused(
    t,
    box,
    take({ lo: { name: 'eth0' } }),
    /\/linux\/netDevices\/lo: .*EINVAL[\s\S]*hint: a device of this kind/,
  );
  const failing = (config: TestConfig) => {
    config['hooks'] = { createRuntime: [{ path: '/bin/false' }] };
  };
  refused(t, box, take({ [name]: { name: 'eth0' } }, failing), /createRuntime hook/);
  checkUntouched(t, name);
});

t.test('a device cannot move to where it is', { skip }, async (t) => {
  const box = sandbox(t);
  const name = veth(t);
  refused(t, box, take({ [name]: {} }, joinNetwork('/proc/self/ns/net')), /in the network namespace of the host/);
  checkUntouched(t, name);
});

t.test('delete leaves a virtual device to the kernel, which removes it with the namespace', { skip }, async (t) => {
  const box = sandbox(t);
  const name = veth(t);
  const id = box.start(box.bundle(undefined, take({ [name]: {} })));
  must(box.run(['delete', '--force', id]));
  t.ok(eventually(() => !exists(name) && !exists(`${name}p`)));
});

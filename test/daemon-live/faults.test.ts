// A daemon that is killed at any point of what it does: the next one finds a consistent state, and nothing that belongs to
// nobody is left. When exactly it is killed does not matter to what is looked at afterwards.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { post } from '../helpers/api.js';
import { type Daemon, needDocker, tsrunDaemonBeside } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must, place } from '../helpers/engine.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(240_000);

/** Milliseconds after which it is killed. */
const POINTS = [0, 15, 40, 80, 150, 300];
const ID = /^[0-9a-f]{24,64}$/;

t.test('a killed daemon leaves nothing half done', { skip: needDocker() }, async (t) => {
  const own = place(t);
  const home = own.daemon('unshare', ['--net', 'sh', '-c', 'ip link set lo up; exec sleep 1000'], () => true).pid ?? 0;
  let daemon = tsrunDaemonBeside(own, home);
  must(daemon.docker(['load', '--input', imageArchive(own.directory)]));
  for (const [round, point] of POINTS.entries()) {
    const doing = Promise.allSettled([
      run(daemon),
      post(daemon.socket, '/networks/create', { Name: `n${round}` }),
      removeOne(daemon),
    ]);
    await sleep(point);
    process.kill(daemon.pid, 'SIGKILL');
    await doing;
    t.ok(eventually(() => !existsSync(`/proc/${daemon.pid}/ns/net`) || isZombie(daemon.pid)));
    daemon = tsrunDaemonBeside(own, home);
    await consistent(t, daemon, home, `killed after ${point} ms`);
  }
  for (const { Id } of await all(daemon)) await daemon.api('DELETE', `/containers/${Id}?force=1&v=1`);
  await consistent(t, daemon, home, 'in the end');
  t.strictSame(await all(daemon), []);
  must(daemon.docker(['network', 'prune', '--force']));
  t.notMatch(links(home, 'bridge'), /br-/, 'no bridge of a network is left');
  t.notMatch(links(home, 'bridge'), / t-/);
  t.strictSame((await daemon.api('GET', '/volumes')).json.Volumes ?? [], [], 'nor an anonymous volume');
});

async function run(daemon: Daemon): Promise<void> {
  const body = {
    ...{ Image: IMAGE, Cmd: ['sleep', '1000'], Volumes: { '/data': {} }, ExposedPorts: { '80/tcp': {} } },
    HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '' }] } },
  };
  const { json } = await post(daemon.socket, '/containers/create', body);
  await post(daemon.socket, `/containers/${json.Id}/start`, {});
}

async function removeOne(daemon: Daemon): Promise<void> {
  const [first] = await all(daemon);
  if (first !== undefined) await daemon.api('DELETE', `/containers/${first.Id}?force=1&v=1`);
}

async function all(daemon: Daemon): Promise<readonly { readonly Id: string; readonly State: string }[]> {
  return (await daemon.api('GET', '/containers/json?all=1')).json;
}

async function consistent(t: Test, daemon: Daemon, home: number, when: string): Promise<void> {
  const containers = await all(daemon);
  const ids = (list: readonly { readonly Id: string }[]) => list.map(({ Id }) => Id).toSorted();
  const running = ids(containers.filter(({ State }) => State === 'running'));
  t.match(
    containers,
    containers.map(() => ({ State: /^(?:created|running|exited)$/ })),
    when,
  );
  t.strictSame(names(daemon, 'data/containers'), ids(containers), `${when}: directories`);
  t.strictSame(names(daemon, 'data/snapshots/active'), ids(containers), `${when}: snapshots`);
  t.strictSame(names(daemon, 'exec/runtime'), running, `${when}: state of the runtime`);
  t.strictSame(names(daemon, 'exec/network/netns'), running, `${when}: network namespaces`);
  t.strictSame(
    names(daemon, 'exec/monitor'),
    running.map((id) => id.slice(0, 24)),
    `${when}: monitors`,
  );
  const veths = links(home, 'veth')
    .split('\n')
    .filter((line) => line !== '');
  t.equal(veths.length, running.length, `${when}: links`);
}

function names(daemon: Daemon, path: string): string[] {
  const directory = daemon.at(path);
  return existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => ID.test(name))
        .toSorted()
    : [];
}

function links(home: number, kind: string): string {
  const argv = ['--net', '--target', String(home), 'ip', '-o', 'link', 'show', 'type', kind];
  return spawnSync('nsenter', argv, { encoding: 'utf8' }).stdout;
}

/** Its parent, this test, has not heard of its end yet. */
function isZombie(pid: number): boolean {
  return spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.startsWith('Z');
}

t.test('a link that a killed daemon had just made for a container goes', { skip: needDocker() }, async (t) => {
  const own = place(t);
  const home = own.daemon('unshare', ['--net', 'sh', '-c', 'ip link set lo up; exec sleep 1000'], () => true).pid ?? 0;
  const first = tsrunDaemonBeside(own, home);
  const { json } = await post(first.socket, '/networks/create', { Name: 'net' });
  const ip = (...args: readonly string[]) =>
    must(own.run('nsenter', ['--net', '--target', String(home), 'ip', ...args]));
  const bridge = `br-${json.Id.slice(0, 12)}`;
  // Its mark comes after it: for a moment it has none. Of other names are links that somebody else put there.
  for (const name of ['veth0123abc', 'of-another'])
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `p-${name.slice(0, 10)}`);
  for (const name of ['veth0123abc', 'of-another']) ip('link', 'set', name, 'master', bridge);
  process.kill(first.pid, 'SIGKILL');
  t.ok(eventually(() => isZombie(first.pid)));
  tsrunDaemonBeside(own, home);
  t.notMatch(links(home, 'veth'), 'veth0123abc');
  t.match(links(home, 'veth'), 'of-another');
});

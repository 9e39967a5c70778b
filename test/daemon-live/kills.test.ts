// A daemon that is killed while it does everything at once, at the moment of one acknowledgement or another. The next one
// finds each thing done or not done: done, if it was acknowledged; and afterwards all of it can be taken away so that
// nothing is left. faults.test.ts kills by the clock.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { post } from '../helpers/api.js';
import { needDocker, tsrunDaemonBeside } from '../helpers/daemon.js';
import { type Place, place } from '../helpers/engine.js';
import { footprint, left } from '../helpers/footprint.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { clear, expect, NETWORKS, OPERATIONS, readStage, type Stage } from '../helpers/operations.js';
import { freePort } from '../helpers/registry.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(240_000);
const skip = skipUnless(needDocker(), needCommand('nft', 'nftables'), needCommand('ip', 'iproute2'));

/** Killed with the acknowledgement of this number. */
const POINTS = [1, 6, 12];

t.test('what was acknowledged is done, whenever the daemon is killed, and the rest is whole', { skip }, async (t) => {
  const own = place(t);
  const home = own.daemon('unshare', ['--net', 'sh', '-c', 'ip link set lo up; exec sleep 1000'], () => true).pid ?? 0;
  const remote = await registryIn(own, home);
  let stage = await readStage(tsrunDaemonBeside(own, home), home, remote);
  const before = footprint(stage, home);
  for (const point of POINTS) {
    for (const Name of NETWORKS) expect(await post(stage.socket, '/networks/create', { Name }), 201);
    await Promise.all(Object.values(OPERATIONS).map(({ prepare }) => prepare?.(stage)));
    const acknowledged = await killedAt(stage, point);
    stage = { ...stage, ...tsrunDaemonBeside(own, home) };
    const looks = Object.entries(OPERATIONS).map(async ([name, { isDone }]) => {
      const label = `killed with acknowledgement ${point}: ${name}`;
      const isSo = await isDone(stage).catch((error: Error) => error.message);
      if (acknowledged.has(name)) t.equal(isSo, true, label);
      else t.type(isSo, 'boolean', `${label}: ${isSo}`);
    });
    await Promise.all(looks);
    await clear(stage);
    const same = () => left(before, footprint(stage, home)).length === 0;
    t.ok(eventually(same), `killed with acknowledgement ${point}: left: ${left(before, footprint(stage, home))}`);
  }
});

/** All operations at once; which were acknowledged. */
async function killedAt(stage: Stage, point: number): Promise<ReadonlySet<string>> {
  const done = new Set<string>();
  await new Promise<void>((resolve) => {
    const all = Object.entries(OPERATIONS).map(async ([name, { act }]) => {
      const { status, text } = await act(stage);
      if (status >= 400 || /"error"/.test(text)) throw new Error(`${name}: ${text}`);
      done.add(name);
      if (done.size === point) resolve();
    });
    void Promise.allSettled(all).then(() => resolve());
  });
  const acknowledged = new Set(done);
  process.kill(stage.pid, 'SIGKILL');
  t.ok(eventually(() => isGone(stage.pid)));
  return acknowledged;
}

/** Its parent, this test, has not heard of its end yet. */
function isGone(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() === '' || stdout.startsWith('Z');
}

/** With its files below the test's own directory, in the network namespace of home. */
async function registryIn(own: Place, home: number): Promise<string | undefined> {
  if (needCommand('docker-registry') !== false) return undefined;
  const address = `127.0.0.1:${await freePort()}`;
  const storage = `storage: {filesystem: {rootdirectory: ${join(own.directory, 'registry')}}}`;
  const config = `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n${storage}\nhttp: {addr: "${address}"}\n`;
  writeFileSync(join(own.directory, 'registry.yml'), config);
  const enter = ['--net', '--target', String(home)];
  const answers = () =>
    spawnSync('nsenter', [...enter, 'curl', '-s', '-o', '/dev/null', `http://${address}/v2/`]).status === 0;
  own.daemon('nsenter', [...enter, 'docker-registry', 'serve', join(own.directory, 'registry.yml')], answers);
  return `${address}/app`;
}

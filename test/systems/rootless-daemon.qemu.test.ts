// The daemon of a user from its units below the user's own systemd: limits are the manager's scopes, and containers go on
// while the daemon does not run. What needs no systemd: test/daemon-live/rootless.test.ts.
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { call, post } from '../helpers/api.js';
import { needQemu, skipUnless } from '../helpers/host.js';
import { eventually, must, needRuntime, RUNTIME, runProgram, sandbox } from '../helpers/runtime.js';
import { SLOW } from '../helpers/systemd.js';
import { needTsrun } from '../helpers/traced.js';

const skip = skipUnless(needQemu(), needRuntime(), needTsrun());
const UID = 1000;
const RUN = `/run/user/${UID}`;
const MEMORY = 64 << 20;

t.test(
  "a user's units start it; its containers are limited, paused and counted in scopes of the user's manager",
  { skip },
  async (t) => {
    const box = sandbox(t);
    eventually(() => existsSync(join(RUN, 'bus')), 120_000);
    const socket = join(box.directory, 'api.sock');
    const units = join(RUN, 'systemd/user');
    const systemctl = (...args: readonly string[]) =>
      runProgram('systemctl', ['--user', '--machine=tester@.host', ...args], box.directory, SLOW);
    must(runProgram('chmod', ['a+rwx', box.directory], box.directory));
    mkdirSync(units, { recursive: true });
    const roots = ['--data-root', join(box.directory, 'data')];
    for (const [kind, from, to] of [
      ['service', '/usr/bin/tsrun daemon', [RUNTIME, 'daemon', ...roots].join(' ')],
      ['socket', '%t/docker.sock', socket],
    ] as const) {
      const text = readFileSync(new URL(`../../systemd/user/tsrun.${kind}`, import.meta.url), 'utf8');
      t.ok(text.includes(from), `tsrun.${kind} has ${from}`);
      writeFileSync(join(units, `tsrun.${kind}`), text.replace(from, to));
      chownSync(join(units, `tsrun.${kind}`), UID, UID);
      t.teardown(() => rmSync(join(units, `tsrun.${kind}`), { force: true }));
    }
    must(systemctl('daemon-reload'));
    t.teardown(() => void systemctl('stop', 'tsrun.socket', 'tsrun.service'));
    must(systemctl('start', 'tsrun.socket'));
    t.match((await call(socket, 'GET', '/info')).json, {
      CgroupDriver: 'systemd',
      CgroupVersion: '2',
      MemoryLimit: true,
      PidsLimit: true,
    });

    const { rootfs } = box.bundle(['true']);
    const tar = spawnSync('tar', ['-C', rootfs, '-c', '.'], { maxBuffer: 1 << 28 }).stdout;
    t.equal((await call(socket, 'POST', '/images/create?fromSrc=-&repo=bb&tag=1', { body: tar })).status, 200);
    const HostConfig = { NetworkMode: 'none', Memory: MEMORY, PidsLimit: 33 };
    const Cmd = ['sh', '-c', 'cd /sys/fs/cgroup; echo $(cat memory.max pids.max); exec sleep 1000'];
    const { Id } = (await post(socket, '/containers/create', { Image: 'bb:1', Cmd, HostConfig })).json;
    const at = `/containers/${Id}`;
    t.equal((await call(socket, 'POST', `${at}/start`)).status, 204);
    const logs = async () => (await call(socket, 'GET', `${at}/logs?stdout=1`)).text;
    for (let i = 0; i < 600 && !(await logs()).includes('\n'); i++) await sleep(100);
    t.match(await logs(), `${MEMORY} 33\n`);
    const scope = `/sys/fs/cgroup/user.slice/user-${UID}.slice/user@${UID}.service/user.slice/tsrun-${Id}.scope`;
    t.ok(existsSync(scope));
    t.match((await call(socket, 'GET', `${at}/stats?stream=false`)).json, {
      memory_stats: { limit: MEMORY },
      pids_stats: { current: 1 },
    });
    t.equal((await call(socket, 'POST', `${at}/pause`)).status, 204);
    t.match(readFileSync(join(scope, 'cgroup.events'), 'utf8'), /frozen 1/);
    t.equal((await call(socket, 'POST', `${at}/unpause`)).status, 204);
    t.equal((await post(socket, `${at}/update`, { PidsLimit: 44 })).status, 200);
    t.equal(readFileSync(join(scope, 'pids.max'), 'utf8'), '44\n');

    must(systemctl('stop', 'tsrun.service'));
    t.match(
      (await call(socket, 'GET', `${at}/json`)).json,
      { State: { Status: 'running' } },
      'it goes on, and is found',
    );
    const exec = (await post(socket, `${at}/exec`, { Cmd: ['true'] })).json;
    t.equal((await post(socket, `/exec/${exec.Id}/start`, { Detach: true })).status, 200);
    t.equal((await call(socket, 'DELETE', `${at}?force=1`)).status, 204);
    t.notOk(existsSync(scope));
    must(systemctl('stop', 'tsrun.service'));
    t.notOk(existsSync(join(RUN, 'tsrun-daemon/namespaces')), 'with the last container its namespaces go');
  },
);

// The daemon from its units on a real systemd: the socket starts it, its containers have an AppArmor profile, and it ends
// when it is told to.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { call, post } from '../helpers/api.js';
import { needQemu, skipUnless } from '../helpers/host.js';
import { eventually, must, needRuntime, RUNTIME, runProgram, sandbox } from '../helpers/runtime.js';
import { isActive, SLOW, show } from '../helpers/systemd.js';
import { needTsrun } from '../helpers/traced.js';

const skip = skipUnless(needQemu(), needRuntime(), needTsrun());
const [SERVICE, SOCKET] = ['tsrun-test-daemon.service', 'tsrun-test-daemon.socket'];

t.test(
  'tsrun.socket starts tsrun.service, whose containers AppArmor confines; stop ends it cleanly',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const at = (name: string) => join(box.directory, name);
    const socket = at('api.sock');
    const systemctl = (...args: readonly string[]) => runProgram('systemctl', args, box.directory, SLOW);
    const install = (kind: string, unit: string, changes: readonly (readonly [string, string])[]) => {
      let text = readFileSync(new URL(`../../systemd/tsrun.${kind}`, import.meta.url), 'utf8');
      for (const [from, to] of [['tsrun.socket', SOCKET] as const, ...changes]) {
        t.ok(text.includes(from) || from === 'tsrun.socket', `tsrun.${kind} has ${from}`);
        text = text.replaceAll(from, to);
      }
      writeFileSync(join('/run/systemd/system', unit), text);
      t.teardown(() => rmSync(join('/run/systemd/system', unit), { force: true }));
    };
    writeFileSync(at('none.json'), '{"bridge": "none"}');
    const roots = ['--data-root', at('data'), '--exec-root', at('exec'), '--config-file', at('none.json')];
    install('service', SERVICE, [['/usr/bin/tsrun daemon', [RUNTIME, 'daemon', ...roots].join(' ')]]);
    install('socket', SOCKET, [
      ['/run/docker.sock', socket],
      ['SocketGroup=docker', 'SocketGroup=root'],
    ]);
    must(systemctl('daemon-reload'));
    t.teardown(() => void systemctl('stop', SOCKET, SERVICE));
    must(systemctl('start', SOCKET));
    t.notOk(isActive(box, SERVICE), 'nothing runs before somebody asks');
    t.equal((await call(socket, 'GET', '/_ping')).text, 'OK');
    t.ok(
      eventually(() => isActive(box, SERVICE), SLOW.timeout),
      'it has told systemd that it is ready',
    );

    const { rootfs } = box.bundle(['true']);
    const tar = spawnSync('tar', ['-C', rootfs, '-c', '.'], { maxBuffer: 1 << 28 }).stdout;
    t.equal((await call(socket, 'POST', '/images/create?fromSrc=-&repo=bb&tag=1', { body: tar })).status, 200);
    const confined = async (SecurityOpt: readonly string[]) => {
      const HostConfig = { NetworkMode: 'none', SecurityOpt };
      const body = { Image: 'bb:1', Cmd: ['cat', '/proc/self/attr/current'], HostConfig };
      const { Id } = (await post(socket, '/containers/create', body)).json;
      await call(socket, 'POST', `/containers/${Id}/start`);
      await call(socket, 'POST', `/containers/${Id}/wait`);
      const said = (await call(socket, 'GET', `/containers/${Id}/logs?stdout=1&stderr=1`)).text;
      const { AppArmorProfile } = (await call(socket, 'GET', `/containers/${Id}/json`)).json;
      t.equal((await call(socket, 'DELETE', `/containers/${Id}?force=1`)).status, 204);
      return [AppArmorProfile, said.slice(8).trim()]; // behind the head of a frame
    };
    t.strictSame(await confined([]), ['tsrun-default', 'tsrun-default (enforce)']);
    t.strictSame(await confined(['apparmor=unconfined']), ['unconfined', 'unconfined'], 'the positive twin');

    must(systemctl('stop', SERVICE));
    t.match(show(box, SERVICE, 'ActiveState', 'Result', 'ExecMainStatus'), {
      ActiveState: 'inactive',
      Result: 'success',
      ExecMainStatus: '0',
    });
    t.ok(isActive(box, SOCKET), 'the socket stays');
  },
);

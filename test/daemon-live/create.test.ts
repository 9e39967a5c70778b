// What create makes of a container before it runs, the names that links give to another one, and execs of one that stopped.
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { call, post } from '../helpers/api.js';
import { needDocker, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';

t.setTimeout(240_000);

t.test(
  'create makes the working directory and /.dockerenv, of which commit takes the first alone',
  {
    skip: needDocker(),
  },
  async (t) => {
    const daemon = tsrunDaemonWithNetwork(t);
    const { docker, at, socket } = daemon;
    must(docker(['load', '-i', imageArchive(daemon.directory)]));
    const create = (name: string, ...flags: readonly string[]) =>
      docker(['create', '--name', name, ...flags, IMAGE, 'sh', '-c', 'ls -d /.dockerenv']);
    const diff = (name: string) => must(docker(['diff', name])).stdout;
    must(create('one', '-w', '/new/../new/dir/'));
    t.equal(docker(['inspect', '-f', '{{.Config.WorkingDir}}', 'one']).stdout, '/new/dir\n');
    t.equal(diff('one'), 'A /new\nA /new/dir\n');
    writeFileSync(at('file'), 'copied\n');
    must(docker(['cp', at('file'), 'one:/new/dir/']));
    must(docker(['export', '-o', at('tree.tar'), 'one']));
    t.match(must(daemon.run('tar', ['-tf', at('tree.tar')])).stdout, /^\.dockerenv$/m);
    t.equal(must(docker(['start', '-a', 'one'])).stdout, '/.dockerenv\n');
    t.equal(diff('one'), 'A /new\nA /new/dir\nA /new/dir/file\n', 'it is no change');
    must(docker(['commit', 'one', 'kept']));
    must(docker(['save', '-o', at('kept.tar'), 'kept']));
    must(daemon.run('tar', ['-xf', at('kept.tar'), '-C', at('data')]));
    const layers = must(
      daemon.run('sh', ['-c', `for blob in ${at('data')}/blobs/sha256/*; do tar -tf $blob 2>/dev/null; done; true`]),
    ).stdout;
    t.match(layers, /^new\/dir\/file$/m);
    t.notMatch(layers, /dockerenv/);

    must(create('linked', '-w', '/vol/sub', '-v', '/vol', '-u', '5:6'));
    t.equal(diff('linked'), 'A /vol\nA /vol/sub\n', 'below the volume that will be there');
    t.match(create('bad', '-w', '/bin/busybox/x'), {
      status: 1,
      stderr: /daemon: Cannot mkdir: \/bin\/busybox\/x is not a/,
    });
    t.equal((await call(socket, 'GET', '/containers/bad/json')).status, 404, 'nothing is left of it');
    must(docker(['rm', '-v', 'one', 'linked']));
  },
);

t.test(
  'a container that is linked is found by its alias, and keeps it when it is renamed',
  {
    skip: needDocker(),
  },
  async (t) => {
    const daemon = tsrunDaemonWithNetwork(t);
    const { docker, socket } = daemon;
    must(docker(['load', '-i', imageArchive(daemon.directory)]));
    const out = (...args: readonly string[]) => must(docker(args)).stdout.trim();
    const links = (name: string) => JSON.parse(out('inspect', '-f', '{{json .HostConfig.Links}}', name));
    must(docker(['run', '-d', '--name', 'old', IMAGE, 'sleep', '1000']));
    t.teardown(() => docker(['rm', '-f', 'old', 'new', 'user', 'other']));
    const id = out('inspect', '-f', '{{.Id}}', 'old');
    must(docker(['run', '-d', '--name', 'user', '--link', `${id.slice(0, 12)}:db`, IMAGE, 'sleep', '1000']));
    t.same(links('user'), ['/old:/user/db']);
    must(docker(['rename', 'old', 'new']));
    t.same(links('user'), ['/new:/user/db']);
    t.equal(out('inspect', '-f', '{{.Name}}', 'user/db'), '/new');
    t.equal(out('ps', '--no-trunc', '--format', '{{.Names}}', '--filter', 'id=' + id), 'new,user/db');
    must(docker(['rename', 'user', 'other']));
    t.same(links('other'), ['/new:/other/db']);
    t.equal(out('exec', 'other/db', 'hostname'), id.slice(0, 12));
    must(docker(['restart', '-t', '0', 'other']));
    t.match(out('exec', 'other', 'cat', '/etc/hosts'), new RegExp(`\tdb ${id.slice(0, 12)} new$`, 'm'));
    t.match(docker(['rm', '--link', 'other']), { status: 1, stderr: /cannot remove the default link name/ });
    t.match(docker(['rm', '--link', 'other/x']), { status: 1, stderr: /No such container: other\/x/ });
    must(docker(['rm', '--link', 'other/db']));
    t.equal(links('other'), null);
    t.match(await call(socket, 'GET', '/containers/other/db/json'), { status: 404 });
  },
);

t.test('an exec of a container that was stopped answers as dockerd does', { skip: needDocker() }, async (t) => {
  const daemon = tsrunDaemonWithNetwork(t);
  const { docker, socket } = daemon;
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  must(docker(['run', '-d', '--name', 'it', IMAGE, 'sleep', '1000']));
  t.teardown(() => docker(['rm', '-f', 'it']));
  const make = async () => (await post(socket, '/containers/it/exec', { Cmd: ['sleep', '100'] })).json.Id;
  const start = (id: string) => post(socket, `/exec/${id}/start`, { Detach: true });
  const resize = (id: string) => call(socket, 'POST', `/exec/${id}/resize?h=3&w=4`);
  const [never, ran] = [await make(), await make()];
  t.equal((await start(ran)).status, 200);
  must(docker(['stop', '-t', '0', 'it']));
  for (const answer of [await start(never), await resize(never), await call(socket, 'GET', `/exec/${never}/json`)])
    t.match(answer, { status: 404, json: { message: `No such exec instance: ${never}` } });
  for (const answer of [await start(ran), await resize(ran)])
    t.match(answer, { status: 409, json: { message: /^container [0-9a-f]{64} is not running$/ } });
  t.match((await call(socket, 'GET', `/exec/${ran}/json`)).json, { ExitCode: 137, Running: false, CanRemove: false });
  must(docker(['start', 'it']));
  t.match(await start(ran), { status: 409, json: { message: `Error: Exec command ${ran} has already run` } });
  t.match(await resize(ran), { status: 404, json: { message: /^no such exec/ } });
});

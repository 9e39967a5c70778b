// The OCI lifecycle through the command line: create, start, state, kill, delete, run, exec, list, spec
// (runtime-spec: runtime.md, and runc's command line). Runs on any runtime: RUNTIME=/usr/sbin/runc.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { eventually, IS_TSRUN, must, needRuntime, RUNTIME, runProgram, sandbox } from '../helpers/runtime.js';

const skip = needRuntime();
const alive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

const removes = (directory: string): boolean => runProgram('rmdir', [directory], tmpdir()).status === 0;

t.test('create, start, state, kill, delete: the whole life, with the state of each step', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  const id = box.id();
  const pidFile = join(box.directory, 'pid');
  must(box.run(['create', '--bundle', bundle.path, '--pid-file', pidFile, id]));
  const created = box.state(id);
  t.match(created, { ociVersion: /^1\./, id, status: 'created', bundle: bundle.path });
  t.equal(readFileSync(pidFile, 'utf8'), String(created.pid), 'the pid file holds the pid, decimal, without newline');
  t.notOk(readFileSync(`/proc/${created.pid}/cmdline`, 'utf8').includes('sleep'), 'the program does not run yet');
  must(box.run(['start', id]));
  t.ok(
    eventually(() => readFileSync(`/proc/${created.pid}/cmdline`, 'utf8').includes('sleep')),
    'now it does',
  );
  t.match(box.state(id), { status: 'running', pid: created.pid });
  must(box.run(['kill', id, 'KILL']));
  t.ok(
    eventually(() => box.state(id).status === 'stopped'),
    'stopped after the kill',
  );
  t.notOk(alive(created.pid));
  must(box.run(['delete', id]));
  t.not(box.run(['state', id]).status, 0, 'nothing is left to ask about');
});

t.test('state of a container that does not exist says so', { skip }, async (t) => {
  const box = sandbox(t);
  for (const verb of ['state', 'start', 'delete'] as const) {
    const result = box.run([verb, box.id()]);
    t.not(result.status, 0);
    t.match(result.stderr, /container does not exist/, `${verb}: the text engines look for`);
    t.equal(result.stderr.trim().split('\n').length, 1, `${verb}: one line`);
  }
  t.not(box.run(['kill', box.id(), 'TERM']).status, 0);
  t.equal(box.run(['delete', '--force', box.id()]).status, 0, 'delete --force of nothing is not an error');
});

t.test('verbs that the state does not allow are refused and change nothing', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  const id = box.start(bundle);
  const { pid } = box.state(id);
  t.not(box.run(['start', id]).status, 0, 'start of a running container');
  t.not(box.run(['delete', id]).status, 0, 'delete of a running container');
  const again = box.run(['create', '--bundle', bundle.path, id]);
  t.not(again.status, 0, 'create with a taken id');
  t.match(again.stderr, /already exists|id exists/);
  t.match(box.state(id), { status: 'running', pid });
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  t.not(box.run(['kill', id, 'TERM']).status, 0, 'kill of a stopped container');
  t.not(box.run(['start', id]).status, 0, 'start of a stopped container');
  t.not(box.run(['exec', id, 'true']).status, 0, 'exec in a stopped container');
});

t.test('delete of a created container that never ran needs --force, or kill before it', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  must(box.run(['create', '--bundle', box.bundle().path, id]));
  const { pid } = box.state(id);
  const { status, stderr } = box.run(['delete', id]);
  t.not(status, 0);
  t.match(stderr, /cannot delete container that is not stopped: created.*\nhint: .*--force/);
  t.equal(box.state(id).status, 'created', 'nothing has changed');
  must(box.run(['delete', '--force', id]));
  t.ok(eventually(() => !alive(pid)));

  must(box.run(['create', '--bundle', box.bundle().path, id]));
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', id]));
});

t.test('a signal that ends programs ends a created container', { skip }, async (t) => {
  const box = sandbox(t);
  for (const signal of ['TERM', 'HUP', 'USR1']) {
    const id = box.id();
    must(box.run(['create', '--bundle', box.bundle().path, id]));
    must(box.run(['kill', id, 'WINCH']));
    t.equal(box.state(id).status, 'created', 'one that does not is nothing to it');
    must(box.run(['kill', id, signal]));
    t.ok(
      eventually(() => box.state(id).status === 'stopped'),
      signal,
    );
    must(box.run(['delete', id]));
  }
});

t.test('the program has its own signals, whatever came before it', { skip }, async (t) => {
  const box = sandbox(t);
  const of = box.bundle(['sh', '-c', 'grep -E "^Sig(Ign|Blk|Cgt)" /proc/self/status; trap "exit 5" TERM; kill $$']);
  const { status, stdout } = box.run(['run', '--bundle', of.path, box.id()]);
  t.equal(status, 5);
  t.match(stdout, /SigBlk:\s0+\nSigIgn:\s0+\nSigCgt:\s0+\n/);
});

t.test('delete --force ends a running container', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle(['sh', '-c', 'trap "" TERM; while :; do sleep 1; done']));
  const { pid } = box.state(id);
  must(box.run(['delete', '--force', id]));
  t.ok(eventually(() => !alive(pid)));
  t.not(box.run(['state', id]).status, 0);
});

t.test('run passes output, input and exit status through', { skip }, async (t) => {
  const box = sandbox(t);
  const run = (args: string[], input = '') => box.run(['run', '--bundle', box.bundle(args).path, box.id()], { input });
  const both = run(['sh', '-c', 'read line; echo "out $line"; echo err >&2; exit 7'], 'hello\n');
  t.same(both, { status: 7, stdout: 'out hello\n', stderr: 'err\n' });
  t.equal(run(['true']).status, 0);
});

t.test('run ends with 128 + signal when its program was killed', { skip }, async (t) => {
  const box = sandbox(t);
  const [bundle, id] = [box.bundle(), box.id()];
  const call = `${RUNTIME} --root ${box.root}`;
  const runs = `${call} state ${id} 2>/dev/null | grep -q running`; // killed before its start it would be run's to fail
  const script = `${call} run --bundle ${bundle.path} ${id} & until ${runs}; do sleep 0.1; done; ${call} kill ${id} KILL; wait $!`;
  t.equal(runProgram('sh', ['-c', script], box.directory).status, 137);
});

t.test('run removes its container afterwards, also one that failed', { skip }, async (t) => {
  const box = sandbox(t);
  const [good, bad] = [box.id(), box.id()];
  must(box.run(['run', '--bundle', box.bundle(['true']).path, good]));
  t.not(box.run(['state', good]).status, 0);
  t.not(box.run(['run', '--bundle', box.bundle(['/no/such/program']).path, bad]).status, 0);
  t.not(box.run(['state', bad]).status, 0);
});

t.test('run --detach leaves it running with the caller’s stdio', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  must(box.run(['run', '--detach', '--bundle', box.bundle().path, id]));
  t.equal(box.state(id).status, 'running');
});

t.test('kill takes numbers and names with and without SIG, and reaches the program', { skip }, async (t) => {
  const box = sandbox(t);
  for (const signal of ['15', 'TERM', 'SIGTERM']) {
    const script = 'trap "echo got >/tmp/got; exit 0" TERM; echo >/tmp/ready; while :; do sleep 0.05; done';
    const bundle = box.bundle(['sh', '-c', script]);
    const id = box.start(bundle);
    t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/ready'))));
    must(box.run(['kill', id, signal]));
    t.ok(
      eventually(() => existsSync(join(bundle.rootfs, 'tmp/got'))),
      signal,
    );
  }
  const id = box.start(box.bundle());
  t.equal(box.run(['kill', id, '0']).status, 0, 'signal 0 only asks');
});

t.test('kill without a signal sends TERM', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'trap "exit 0" TERM; echo >/tmp/ready; while :; do sleep 0.05; done']);
  const id = box.start(bundle);
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/ready'))));
  must(box.run(['kill', id]));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
});

t.test('exec runs beside the program: output, status, env, cwd, user', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  t.same(box.run(['exec', id, 'sh', '-c', 'echo in; echo err >&2; exit 5']), {
    status: 5,
    stdout: 'in\n',
    stderr: 'err\n',
  });
  t.equal(box.run(['exec', '--env', 'A=1', '--cwd', '/tmp', id, 'sh', '-c', 'echo $A $PWD']).stdout, '1 /tmp\n');
  t.equal(box.run(['exec', '--user', '1000:50', id, 'sh', '-c', 'echo $(id -u) $(id -g)']).stdout, '1000 50\n');
  t.equal(box.run(['exec', id, 'cat'], { input: 'through\n' }).stdout, 'through\n');
  t.equal(box.run(['exec', id, 'sh', '-c', 'kill -9 $$']).status, 137);
  t.match(box.run(['exec', id, 'ps']).stdout, /sleep 1000/, 'it is in the same pid namespace');
});

t.test('exec --process FILE --detach --pid-file, as engines call it', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  const id = box.start(bundle);
  const [file, pidFile] = [join(box.directory, 'process.json'), join(box.directory, 'exec.pid')];
  const process = { ...bundle.config['process'], args: ['sh', '-c', 'echo $$ >/tmp/exec; sleep 1000'] };
  writeFileSync(file, JSON.stringify(process));
  must(box.run(['exec', '--process', file, '--detach', '--pid-file', pidFile, id]));
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/exec'))));
  const pid = Number(readFileSync(pidFile, 'utf8'));
  t.ok(eventually(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8') === 'sleep\0' + '1000\0'));
  t.equal(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'), readFileSync(`/proc/${box.state(id).pid}/mountinfo`, 'utf8'));
});

t.test('exec of what is not there fails with the words engines look for', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  const missing = box.run(['exec', id, 'no-such-program']);
  t.not(missing.status, 0);
  t.match(missing.stderr, /executable file not found|no such file or directory/);
  const refused = box.run(['exec', id, '/etc']);
  t.not(refused.status, 0);
  t.match(refused.stderr, /permission denied|is a directory/);
});

t.test('list shows every container of this root, as table, ids and JSON', { skip }, async (t) => {
  const box = sandbox(t);
  t.equal(box.run(['list', '--quiet']).stdout, '', 'none yet, and no error');
  const bundle = box.bundle();
  const ids = [box.start(bundle), box.start(box.bundle())].sort();
  t.same(box.run(['list', '--quiet']).stdout.trim().split('\n').sort(), ids);
  const entries = JSON.parse(must(box.run(['list', '--format', 'json'])).stdout);
  t.same(entries.map((entry: { id: string }) => entry.id).sort(), ids);
  t.match(entries[0], {
    ociVersion: /^1\./,
    pid: Number,
    status: 'running',
    bundle: String,
    rootfs: String,
    created: /^\d{4}-/,
    owner: String,
  });
  const table = box.run(['list']).stdout;
  t.match(table, /^ID +PID +STATUS +BUNDLE +CREATED +OWNER/);
  for (const id of ids) t.match(table, id);
});

/** In every hierarchy, of cgroup2 at both places where it may be mounted. */
function cgroupsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:(?:name=)?([^:]*):(.*)$/.exec(line) ?? [];
    const mounts =
      controllers === '' ? ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'] : [`/sys/fs/cgroup/${controllers}`];
    return mounts.map((mount) => mount + path);
  });
}

t.test(
  'a corrupt record is an error for that container and for no other',
  { skip: skip || (IS_TSRUN ? false : 'about tsrun’s records') },
  async (t) => {
    const box = sandbox(t);
    for (const file of ['plan', 'runtime', 'state.json']) {
      const [good, bad] = [box.start(box.bundle()), box.start(box.bundle())];
      const pid = box.state(bad).pid;
      const cgroups = cgroupsOf(pid);
      writeFileSync(join(box.root, bad, file), '{ "cut');
      if (file !== 'state.json') t.match(box.run(['state', bad]).stderr, new RegExp(bad), file);
      t.match(box.run(['list']).stdout, good, file);
      t.equal(box.run(['delete', '--force', bad]).status, 0, `${file}: it can still be removed`);
      if (file !== 'runtime')
        t.ok(
          eventually(() => !alive(pid)),
          file,
        );
      else process.kill(pid, 'SIGKILL'); // who it was is what was lost
      // So is where its cgroup was.
      for (const cgroup of cgroups) {
        if (file !== 'state.json' && existsSync(cgroup)) t.ok(eventually(() => removes(cgroup)));
      }
    }
  },
);

t.test('spec writes a config.json that runs, and refuses to overwrite one', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  runProgram('rm', [join(bundle.path, 'config.json')], box.directory);
  must(box.run(['spec', '--bundle', bundle.path]));
  const config = JSON.parse(readFileSync(join(bundle.path, 'config.json'), 'utf8'));
  t.match(config, {
    ociVersion: /^1\./,
    process: { terminal: true, args: ['sh'] },
    root: { path: 'rootfs', readonly: true },
  });
  t.not(box.run(['spec', '--bundle', bundle.path]).status, 0);
});

t.test('the default bundle is read from the working directory', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['echo', 'here']);
  t.equal(box.run(['run', box.id()], { cwd: bundle.path }).stdout, 'here\n');
});

t.test(
  'the runtime works in an odd place: deleted working directory, empty environment, called through a link',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['echo', 'ok']);
    const link = join(box.directory, 'linked');
    const script = `mkdir ${box.directory}/gone && cd ${box.directory}/gone && rmdir ${box.directory}/gone && ln -s ${RUNTIME} ${link} && exec env -i PATH=$PATH NODE_OPTIONS=--no-such ${link} --root ${box.root} run --bundle ${bundle.path} ${box.id()}`;
    const result = runProgram('sh', ['-c', script], box.directory);
    t.match(result, { status: 0, stdout: 'ok\n' });
  },
);

t.test('the container gets no descriptor but 0, 1 and 2', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'ls -l /proc/self/fd | tail -n +2 | wc -l']);
  // ls has one more: the directory it reads.
  const script = `exec 7</etc/passwd 9</; exec ${RUNTIME} --root ${box.root} run --bundle ${bundle.path} ${box.id()}`;
  t.equal(runProgram('bash', ['-c', script], box.directory).stdout, '4\n');
});

t.test('state directories are not for others to read', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  t.equal(statSync(join(box.root, id)).mode & 0o066, 0);
  t.ok(readdirSync(join(box.root, id)).length > 0);
});

t.test('twenty containers at once', { skip }, async (t) => {
  const box = sandbox(t);
  const ids = Array.from({ length: 20 }, () => box.id());
  const lines = ids.map((id) => {
    const bundle = box.bundle(['sh', '-c', `echo ${id}`]);
    return `${RUNTIME} --root ${box.root} run --bundle ${bundle.path} ${id} >${box.directory}/${id}.out 2>&1 &`;
  });
  runProgram('sh', ['-c', `${lines.join('\n')}\nwait`], box.directory, { timeout: 60_000 });
  for (const id of ids) t.equal(readFileSync(join(box.directory, `${id}.out`), 'utf8'), `${id}\n`);
});

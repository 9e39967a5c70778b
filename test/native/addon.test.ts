import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { addon, load } from '../../src/native/addon.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
const ADDON = fileURLToPath(new URL('../../build/Release/tsrun.node', import.meta.url));

function thrownBy(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

t.test('memfd holds the bytes, at offset 0, sealed and close-on-exec', async (t) => {
  const fd = addon().memfd('plan', Buffer.from('hello'));
  t.teardown(() => closeSync(fd));
  const read = Buffer.alloc(16);
  t.equal(readSync(fd, read), 5);
  t.equal(read.toString('utf8', 0, 5), 'hello');
  t.match(
    thrownBy(() => writeSync(fd, 'x', 0)),
    { code: 'EPERM' },
    'sealed',
  );
  t.match(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), /^flags:\s+02\d*2$/m, 'O_CLOEXEC is 02000000');
  t.equal(fstatSync(addon().memfd('empty', new Uint8Array(0))).size, 0);
});

t.test('memfd and the other functions throw what the kernel says and TypeError for a wrong shape', async (t) => {
  t.match(
    thrownBy(() => addon().setCloexec(999_999, true)),
    { errno: 9, syscall: 'fcntl' },
  );
  t.match(
    thrownBy(() => addon().sendFd(999_999, 0, 'x')),
    { errno: 9, syscall: 'sendmsg' },
  );
  t.match(
    thrownBy(() => addon().execve('/no/such/program', ['x'], [], [])),
    { errno: 2, syscall: 'execve' },
  );
  t.match(
    thrownBy(() => addon().bpfLoadDevice(new Uint8Array(8))),
    { syscall: 'bpf' },
  );
  t.throws(() => addon().memfd('x', 'text' as never), TypeError);
});

t.test('socketpair, sendFd and receiveFd hand a descriptor over with its text', async (t) => {
  const [left, right] = addon().socketpair();
  const file = openSync(ADDON, 'r');
  addon().sendFd(left, file, '/dev/pts/7');
  const received = addon().receiveFd(right);
  t.equal(received.bytes.toString(), '/dev/pts/7');
  t.equal(received.fd === null ? -1 : fstatSync(received.fd).ino, fstatSync(file).ino);
  writeSync(left, 'no descriptor');
  t.same(addon().receiveFd(right), { fd: null, bytes: Buffer.from('no descriptor') });
  for (const fd of [left, right, file, received.fd ?? -1]) closeSync(fd);
});

t.test('flock refuses a lock that another open file holds', async (t) => {
  const path = `${mkdtempSync('/tmp/tsrun-test-')}/lock`;
  writeFileSync(path, '');
  const [first, second] = [openSync(path, 'r'), openSync(path, 'r')];
  addon().flock(first, LOCK_EX | LOCK_NB);
  t.match(
    thrownBy(() => addon().flock(second, LOCK_EX | LOCK_NB)),
    { errno: 11 },
  );
  closeSync(first);
  addon().flock(second, LOCK_EX | LOCK_NB);
  closeSync(second);
});

/** A node of its own that turns into a shell: what the shell sees of signals and descriptors is what execve left. */
function becomeShell(script: string, keep: string): { status: number | null; stdout: string } {
  const code = `const m = { exports: {} }; process.dlopen(m, ${JSON.stringify(ADDON)});
    const fd = m.exports.memfd('kept', Buffer.from('from the memfd'));
    m.exports.execve('/bin/sh', ['sh', '-c', ${JSON.stringify(script)}, 'sh', String(fd)], ['ONLY=this'], ${keep});`;
  const { NODE_OPTIONS: _options, NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env;
  return spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', env });
}

t.test('execve becomes the program with default signals, the given environment and the kept descriptors', async (t) => {
  const shell = becomeShell('cat /proc/$$/status | grep Sig; echo ONLY=$ONLY HOME=$HOME; cat /proc/self/fd/$1', '[fd]');
  t.equal(shell.status, 0);
  t.match(shell.stdout, /SigBlk:\s*0+\n/);
  t.match(shell.stdout, /SigIgn:\s*0+\n/, 'Node ignores SIGPIPE, the program must not');
  t.match(shell.stdout, /ONLY=this HOME=\n/);
  t.match(shell.stdout, /from the memfd/);
});

t.test('execve closes descriptors that are not kept', async (t) => {
  t.equal(becomeShell('test -e /proc/self/fd/$1 && echo open || echo closed', '[]').stdout, 'closed\n');
});

t.test('load says what to do when the addon is not built or no addon', async (t) => {
  t.match(
    thrownBy(() => load('/no/such/tsrun.node')),
    {
      code: 'HOST_UNSUPPORTED',
      message: /has not been built/,
      hint: /build:native/,
    },
  );
  t.match(
    thrownBy(() => load('/etc/passwd')),
    { code: 'HOST_UNSUPPORTED', message: /cannot be loaded/ },
  );
});

const SPAWN = { path: '/bin/sh', env: [], fds: [0, 1, 2], cwd: '/' };
const sh = (script: string) => ({ ...SPAWN, argv: ['sh', '-c', script] });

t.test('spawn resolves with pid and status, or with the signal', async (t) => {
  const [pid, status, signal] = await addon().spawn(sh('exit 7'));
  t.ok(pid > 1);
  t.same([status, signal], [7, 0]);
  t.same((await addon().spawn(sh('kill -9 $$'))).slice(1), [0, 9]);
});

t.test('spawn gives the child its descriptors, directory, environment and limit, and nothing else', async (t) => {
  const out = addon().memfd('out');
  const leak = openSync('/dev/null', 'r');
  const null_ = openSync('/dev/null', 'r');
  const script =
    'pwd; env | grep -v ^PWD; ulimit -Sn; ls /proc/self/fd | tr "\\n" " "; grep -E "Sig(Ign|Blk)" /proc/self/status';
  const request = { ...sh(script), env: ['PATH=/bin:/usr/bin', 'A=b c'], cwd: '/tmp', openFiles: 77 };
  const before = readFileSync('/proc/self/limits', 'utf8');
  const ended = addon().spawn({ ...request, fds: [null_, out, 2, out] });
  closeSync(null_); // at once: the child has a copy
  await ended;
  const text = readFileSync(`/proc/self/fd/${out}`, 'utf8').replace(/_=.*\n/, '');
  for (const fd of [out, leak]) closeSync(fd);
  const [cwd, ...lines] = text.trim().split('\n');
  t.equal(cwd, '/tmp');
  t.same(
    lines
      .slice(0, -3)
      .filter((line) => /=/.test(line) && !/^(OLDPWD|SHLVL)/.test(line))
      .sort(),
    ['A=b c', 'PATH=/bin:/usr/bin'],
  );
  t.match(text, /^77$/m);
  t.match(text, /^0 1 2 3 4 Sig/m, 'the fifth is the directory that ls reads');
  t.match(text, /SigBlk:\t0{16}/);
  t.match(text, /SigIgn:\t0{16}/);
  t.equal(readFileSync('/proc/self/limits', 'utf8'), before);
});

t.test('spawn rejects with the call that failed, and refuses what is no request', async (t) => {
  const failed = (error: unknown) => error;
  const missing = await addon()
    .spawn({ ...SPAWN, path: '/nonexist', argv: ['x'] })
    .catch(failed);
  t.match(missing, { errno: 2, syscall: 'execve' });
  const nowhere = await addon()
    .spawn({ ...sh(':'), cwd: '/nonexist' })
    .catch(failed);
  t.match(nowhere, { errno: 2, syscall: 'chdir' });
  t.match(
    thrownBy(() => addon().spawn({ ...sh(':'), fds: [999_999] })),
    { errno: 9, syscall: 'fcntl' },
  );
  t.throws(() => addon().spawn({ ...SPAWN, argv: ['a\0b'] }), TypeError);
  t.throws(() => addon().spawn({} as never), TypeError);
});

t.test('300 children at once end each with its own status, and no descriptor is left', async (t) => {
  const count = () => readdirSync('/proc/self/fd').length;
  const before = count();
  const all = await Promise.all(Array.from({ length: 300 }, (_, i) => addon().spawn(sh(`exit ${i % 100}`))));
  t.ok(all.every(([, status], i) => status === i % 100));
  t.equal(count(), before);
});

t.test('fsopenErrno tells a file system that the kernel has from one that it has not', async (t) => {
  t.equal(addon().fsopenErrno('nonsense'), process.geteuid?.() === 0 ? 19 : 1);
  t.equal(addon().fsopenErrno('tmpfs'), process.geteuid?.() === 0 ? 0 : 1);
});

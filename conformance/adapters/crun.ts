/** crun's Python tests: each file prints TAP. They call $OCI_RUNTIME; $INIT is the static program of tests/init.c. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { needProblem } from '../harness/host.js';
import { readText } from '../harness/lab.js';
import { eventually } from '../harness/runtime.js';
import { type Adapter, absent, runProgram } from './adapter.js';
import { resultsOf } from './tap.js';

export const crun: Adapter = {
  place: 'the directory of its sources; tests/init is compiled if it is not there',
  missing: ({ place }) =>
    absent([join(place, 'tests/tests_utils.py'), join(place, 'tests/init.c')], 'not the sources of crun') ??
    needProblem('command:python3') ??
    (existsSync(join(place, 'tests/init')) ? undefined : needProblem('command:cc')),
  async *run({ place, runtime, dir, wants, timeout }) {
    const tests = join(place, 'tests');
    const init = existsSync(join(tests, 'init'))
      ? join(tests, 'init')
      : compile(join(tests, 'init.c'), join(dir, 'tests/init'));
    const command = inCrunsWords(runtime, dir);
    const env = { ...process.env, OCI_RUNTIME: command, INIT: init, TMPDIR: dir, PYTHONDONTWRITEBYTECODE: '1' };
    for (const file of readdirSync(tests).filter((name) => /^test_.*\.py$/.test(name))) {
      const name = file.replace(/^test_|\.py$/g, '');
      if (!wants(name)) continue;
      const thaw = frozenByThis();
      yield* resultsOf(name, await runProgram(['python3', join(tests, file)], { cwd: dir, env, seconds: timeout }));
      await thaw();
    }
  },
};

/** What its configure would have found: error(3). */
function compile(source: string, target: string): string {
  const include = dirname(target); // a test looks for ./tests/init
  mkdirSync(include);
  writeFileSync(join(include, 'config.h'), '#define HAVE_ERROR_H 1\n');
  const args = ['-static', '-O1', '-w', `-I${include}`, '-o', target, source];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tests/init.c cannot be compiled: ${stderr}`);
  return target;
}

/**
 * The tests use two options that only crun has: --cgroup-manager, which is --systemd-cgroup elsewhere, and --config, whose
 * file a wrapper puts in the bundle's config.json when it has another name.
 */
const WRAPPER = `#!/bin/sh
runtime=$1; shift
for word in "$@"; do
	shift
	case $skip in
	manager) skip=; [ "$word" = systemd ] && set -- "$@" --systemd-cgroup; continue ;;
	config) skip=; [ "$word" = config.json ] || cp "$word" config.json; continue ;;
	esac
	case $word in
	--cgroup-manager) skip=manager ;;
	--cgroup-manager=systemd) set -- "$@" --systemd-cgroup ;;
	--cgroup-manager=*) ;;
	--config) skip=config ;;
	*) set -- "$@" "$word" ;;
	esac
done
exec "$runtime" "$@"
`;

/** crun itself, or a wrapper around another runtime. */
function inCrunsWords(runtime: string, dir: string): string {
  const { stdout } = spawnSync(runtime, ['--help'], { encoding: 'utf8' });
  if (stdout?.includes('--cgroup-manager')) return runtime;
  writeFileSync(join(dir, 'wrapper'), WRAPPER, { mode: 0o755 });
  writeFileSync(join(dir, 'runtime'), `#!/bin/sh\nexec '${join(dir, 'wrapper')}' '${runtime}' "$@"\n`, { mode: 0o755 });
  return join(dir, 'runtime');
}

/** Where cgroup v1 is, test_delete.py freezes a container in a cgroup of the host, and leaves both when it fails. */
const FROZEN = '/sys/fs/cgroup/freezer/frozen';

function frozenByThis(): () => Promise<void> {
  if (existsSync(FROZEN)) return async () => {};
  return async () => {
    if (!existsSync(FROZEN)) return;
    writeFileSync(join(FROZEN, 'freezer.state'), 'THAWED');
    const pids = readText(join(FROZEN, 'tasks')).split('\n').filter(Boolean).map(Number);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await eventually(() => readText(join(FROZEN, 'tasks')) === '');
    rmdirSync(FROZEN);
  };
}

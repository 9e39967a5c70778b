// The use cases called from one warm process, as the daemon and shims do: hundreds at once, the event loop free all the
// time, nothing of the process changed.
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createContainer } from '../../src/runtime/create.js';
import { deleteContainer } from '../../src/runtime/delete.js';
import { execInContainer } from '../../src/runtime/exec.js';
import { killContainer } from '../../src/runtime/kill.js';
import { pauseContainer } from '../../src/runtime/pause.js';
import { resumeContainer } from '../../src/runtime/resume.js';
import type { Runtime } from '../../src/runtime/runtime.js';
import { startContainer } from '../../src/runtime/start.js';
import { readState } from '../../src/runtime/state.js';
import { parseContainerId } from '../../src/state/container-id.js';
import { needRoot } from '../helpers/host.js';
import { needBusybox } from '../helpers/rootfs.js';
import { IS_TSRUN, type Sandbox, sandbox } from '../helpers/runtime.js';

const SKIP = needRoot() || needBusybox() || (IS_TSRUN ? false : 'calls the modules of tsrun');
const SIGKILL = 9;

const CREATE = {
  consoleSocket: undefined,
  pidFile: undefined,
  noPivot: false,
  noNewKeyring: false,
  preserveFds: 0,
  systemdCgroup: false,
};
const EXEC = {
  detach: true,
  ignorePaused: false,
  cgroup: [],
  consoleSocket: undefined,
  pidFile: undefined,
  pidfdSocket: undefined,
  preserveFds: 0,
};
const NO_CHANGES = {
  cwd: undefined,
  env: [],
  tty: false,
  user: undefined,
  additionalGids: [],
  processLabel: undefined,
  apparmor: undefined,
  noNewPrivs: false,
  capabilities: [],
};

function warmRuntime({ root }: Sandbox): Runtime {
  return { root, warn: (message) => t.fail(`warning: ${message}`), debug: () => undefined };
}

const openFds = () => readdirSync('/proc/self/fd').length;

/** What a use case must not change for all others in this process. */
function processState(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  const own = /^(Umask|SigBlk|SigIgn|SigCgt|NoNewPrivs|Seccomp):.*$/gm;
  return [process.cwd(), readFileSync('/proc/self/limits', 'utf8'), ...(status.match(own) ?? [])].join('\n');
}

t.test('200 creates in flight leave the event loop free and no descriptor behind', { skip: SKIP }, async (t) => {
  const box = sandbox(t);
  const runtime = warmRuntime(box);
  const bundle = box.bundle(['sleep', '1000']).path;
  const first = parseContainerId(box.id());
  await createContainer(runtime, { ...CREATE, id: first, bundle }, true);
  const ids = Array.from({ length: 200 }, () => parseContainerId(box.id()));
  const before = { fds: openFds(), state: processState() };
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const created = ids.map(async (id) => {
    await sleep(0); // one compile after the other, as requests come
    return createContainer(runtime, { ...CREATE, id, bundle }, true);
  });
  const pids = (await Promise.all(created)).map(({ pid }) => pid);
  t.equal(new Set(pids).size, 200);
  await Promise.all(ids.map((id) => startContainer(runtime, id)));
  const states = await Promise.all(ids.map((id) => readState(runtime, id)));
  t.ok(states.every(({ status }) => status === 'running'));
  await Promise.all(ids.map((id) => deleteContainer(runtime, id, { force: true })));
  delay.disable();
  t.comment(
    `event loop: mean ${delay.mean / 1e6} ms, 99 % ${delay.percentile(99) / 1e6} ms, max ${delay.max / 1e6} ms`,
  );
  t.equal(openFds(), before.fds);
  t.equal(processState(), before.state);
  await deleteContainer(runtime, first, { force: true });
});

t.test('verbs of different containers go on beside one that hangs', { skip: SKIP }, async (t) => {
  const box = sandbox(t);
  const runtime = warmRuntime(box);
  const hangs = box.bundle(['sleep', '1000'], (config) => {
    config['hooks'] = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '3'] }] };
  });
  const slow = createContainer(runtime, { ...CREATE, id: parseContainerId(box.id()), bundle: hangs.path }, true);
  const id = parseContainerId(box.id());
  await createContainer(runtime, { ...CREATE, id, bundle: box.bundle(['sleep', '1000']).path }, true);
  await startContainer(runtime, id);
  await pauseContainer(runtime, id);
  t.equal((await readState(runtime, id)).status, 'paused');
  await resumeContainer(runtime, id);
  const { pid } = await execInContainer(runtime, { ...EXEC, id, process: { ...NO_CHANGES, args: ['sleep', '1000'] } });
  t.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /sleep/);
  await killContainer(runtime, id, SIGKILL, true);
  await t.rejects(killContainer(runtime, parseContainerId(box.id()), SIGKILL, false), { code: 'CONTAINER_NOT_FOUND' });
  t.ok((await Promise.race([slow.then(() => 'done'), sleep(0, 'still hanging')])) === 'still hanging');
  await slow;
});

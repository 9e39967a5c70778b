/**
 * ctr of containerd: there is no suite of it, so these are checks of what a runtime must do below containerd's shim, each as a
 * user of ctr would see it. A container's root file system is a directory with busybox: no image is needed.
 */
import { join } from 'node:path';
import { isAlive } from '../harness/runtime.js';
import { type Adapter, type Ended, foreign, runProgram } from './adapter.js';
import { clientProblem, openContainerd } from './containerd.js';
import { makeTree } from './tree.js';

/** One command that ends: options of run, the program, what it prints, and its status. */
type Run = readonly [flags: readonly string[], program: string, prints: RegExp, status?: number];

const RUNS: { readonly [name: string]: Run } = {
  output: [[], 'echo out; echo err >&2', /^out\n$/],
  status: [[], 'exit 7', /^$/, 7],
  'not-found': [['--env', 'PATH=/nowhere'], 'no-such-program', /^$/, 127],
  env: [['--env', 'A=b c'], 'echo "$A"', /^b c\n$/],
  cwd: [['--cwd', '/tmp'], 'pwd', /^\/tmp\n$/],
  'read-only': [['--read-only'], 'touch /file || echo refused', /^refused\n$/],
  mount: [['--mount', 'type=bind,src={tree}/etc,dst=/mnt,options=rbind:ro'], 'ls /mnt', /^group\npasswd\n$/],
  'no-new-privileges': [[], 'grep NoNewPrivs /proc/self/status', /^NoNewPrivs:\t1\n$/],
  privileged: [['--privileged'], 'grep CapEff /proc/self/status', /^CapEff:\t0000[0-9a-f]{3}[^0]/],
  'pid-namespace': [[], 'echo $$', /^1\n$/],
  'network-namespace': [[], 'ls /sys/class/net', /^lo\n$/],
};

export const ctr: Adapter = {
  place: 'the program ctr; containerd is taken from PATH',
  missing: ({ place }) => clientProblem(place),
  async *run(options) {
    const tree = join(options.dir, 'tree');
    makeTree(tree);
    const { socket, close } = await openContainerd(options);
    try {
      const { place, runtime, timeout: seconds } = options;
      const call = (...args: readonly string[]): Promise<Ended> =>
        runProgram([place, '--address', socket, '--namespace', 'conformance', ...args], { seconds });
      const run = (flags: readonly string[], id: string, program: string): Promise<Ended> => {
        const filled = flags.map((flag) => flag.replace('{tree}', tree));
        return call('run', ...filled, '--runc-binary', runtime, '--rootfs', tree, id, '/bin/sh', '-c', program);
      };
      for (const [name, [flags, program, prints, status = 0]] of Object.entries(RUNS)) {
        const id = `run.${name}`;
        if (!options.wants(id)) continue;
        const ended = await run(['--rm', ...flags], name, program);
        const held = prints.test(ended.stdout) && ended.status === status;
        yield foreign(id, held ? 'passed' : 'failed', held ? '' : said(ended));
      }
      if (options.wants('task')) yield* life(call, run);
    } finally {
      await close();
    }
  },
};

const said = ({ status, stdout, stderr }: Ended): string =>
  `status ${status}, ${JSON.stringify(stdout.slice(0, 300))} ${stderr.trim().slice(-500)}`;

type Call = (...args: readonly string[]) => Promise<Ended>;

/** A container that is detached, and each thing that can be done to it: command, what it prints, its status. */
const STEPS: readonly (readonly [name: string, args: readonly string[], prints: RegExp, status?: number])[] = [
  ['list', ['task', 'ls'], /^life +\d+ +RUNNING/m],
  ['exec', ['task', 'exec', '--exec-id', 'one', 'life', '/bin/echo', 'inside'], /^inside\n$/],
  ['exec-status', ['task', 'exec', '--exec-id', 'two', 'life', '/bin/sh', '-c', 'exit 5'], /^$/, 5],
  ['exec-not-found', ['task', 'exec', '--exec-id', 'three', 'life', '/no-such-program'], /^$/, 1],
  ['processes', ['task', 'ps', 'life'], /^\d+ /m],
  ['metrics', ['task', 'metrics', 'life'], /^life /m],
  ['pause', ['task', 'pause', 'life'], /^$/],
  ['paused', ['task', 'ls'], /^life +\d+ +PAUSED/m],
  ['resume', ['task', 'resume', 'life'], /^$/],
  ['resumed', ['task', 'ls'], /^life +\d+ +RUNNING/m],
  ['delete-running', ['task', 'rm', 'life'], /^$/, 1],
  ['kill', ['task', 'kill', '--signal', 'SIGKILL', 'life'], /^$/],
  ['delete-task', ['task', 'rm', '--force', 'life'], /^$/],
  ['delete', ['container', 'rm', 'life'], /^$/],
  ['gone', ['task', 'ls', '--quiet'], /^$/],
];

async function* life(call: Call, run: (flags: readonly string[], id: string, program: string) => Promise<Ended>) {
  const begun = await run(['--detach'], 'life', 'exec sleep 1000');
  yield foreign('task.start', begun.status === 0 ? 'passed' : 'failed', begun.status === 0 ? '' : said(begun));
  const pid = Number(/^life +(\d+)/m.exec((await call('task', 'ls')).stdout)?.[1] ?? 0);
  for (const [name, args, prints, status = 0] of STEPS) {
    const ended = await call(...args);
    const held = prints.test(ended.stdout) && ended.status === status;
    yield foreign(`task.${name}`, held ? 'passed' : 'failed', held ? '' : said(ended));
  }
  const ended = pid > 1 && !isAlive(pid);
  yield foreign('task.ended', ended ? 'passed' : 'failed', ended ? '' : `process ${pid} is there`);
}

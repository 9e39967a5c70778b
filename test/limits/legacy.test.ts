// A host with cgroup v1 alone: this machine's v1 hierarchies, in a mount namespace where cgroup2 is not mounted.
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { needHybrid, skipUnless } from '../helpers/host.js';
import { IS_TSRUN, must, needRuntime, RUNTIME, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needHybrid(), IS_TSRUN ? false : 'reads what tsrun says');

/** Runs a script where there is no cgroup2; $T is the runtime, $ID the container, $B its bundle. */
function without(box: ReturnType<typeof sandbox>, bundle: string, id: string, script: string) {
  const hide = 'while umount "$(awk \'$3 == "cgroup2" { print $2; exit }\' /proc/self/mounts)" 2>/dev/null; do :; done';
  const env = { ...process.env, T: `${RUNTIME} --root ${box.root}`, B: bundle, ID: id };
  const done = spawnSync('unshare', ['--mount', 'sh', '-c', `${hide}\n${script}`], { env, encoding: 'utf8' });
  return { status: done.status ?? 1, stdout: done.stdout, stderr: done.stderr };
}

function sharing(box: ReturnType<typeof sandbox>, resources: object, args: string[]): string {
  const bundle = box.bundle(args, (config) => {
    config['linux'].resources = resources;
    config['linux'].namespaces = config['linux'].namespaces.filter(({ type }: { type: string }) => type !== 'pid');
  });
  return bundle.path;
}

const V1 = '/sys/fs/cgroup';

t.test('limits, device rules, pause, resume and kill go through v1, and nothing is left', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const resources = { pids: { limit: 20 }, devices: [{ allow: false, access: 'rwm' }] };
  const bundle = sharing(box, resources, ['sh', '-c', 'sleep 1000 & sleep 1000']);
  const { stdout } = must(
    without(
      box,
      bundle,
      id,
      `set -e
$T run --detach --bundle $B $ID </dev/null >/dev/null 2>&1
cat $(find ${V1}/pids -name $ID)/pids.max
grep '1:3' $(find ${V1}/devices -name $ID)/devices.list
$T pause $ID; $T state $ID | grep status; cat $(find ${V1}/freezer -name $ID)/freezer.state
$T resume $ID; $T state $ID | grep status
$T exec $ID true
$T kill $ID KILL; sleep 1; cat $(find ${V1}/freezer -name $ID)/cgroup.procs
$T delete $ID; find ${V1} -name $ID; echo gone`,
    ),
  );
  t.equal(stdout.replace(/ +/g, ' '), '20\nc 1:3 rwm\n "status": "paused",\nFROZEN\n "status": "running",\ngone\n');
});

t.test('a paused container can be deleted by force', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const script = `$T run --detach --bundle $B $ID </dev/null >/dev/null 2>&1 && $T pause $ID && $T delete --force $ID
echo "deleted $?"; find ${V1} -name $ID`;
  t.equal(without(box, sharing(box, {}, ['sleep', '1000']), id, script).stdout, 'deleted 0\n');
});

t.test('unified is refused there, and a rule that the v1 files cannot express', { skip }, async (t) => {
  const box = sandbox(t);
  const create = (resources: object) =>
    without(box, sharing(box, resources, ['true']), box.id(), '$T create --bundle $B $ID').stderr;
  t.match(create({ unified: { 'memory.max': '1' } }), /\/linux\/resources\/unified.*cgroup v2, which is not mounted/);
  const devices = [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'b', major: 8, access: 'r' },
    { allow: false, type: 'b', major: 8, minor: 1, access: 'r' },
  ];
  t.match(create({ devices }), /\/linux\/resources\/devices.*b 8:1 r is an exception within b 8:\* r/);
});

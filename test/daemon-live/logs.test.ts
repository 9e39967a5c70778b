// Logs as files: rotated ones are compressed and read like the others, and with mode=non-blocking a disk that takes nothing
// holds nobody.
import { once } from 'node:events';
import { closeSync, constants, createReadStream, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Daemon, needDocker, tsrunDaemonBeside } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must, type Place, place } from '../helpers/engine.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(240_000);

const numbers = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);
const written = (text: string) => text.trim().split('\n').map(Number);

/** A network namespace for daemons that are started again. */
function beside(t: Test): { own: Place; home: number } {
  const own = place(t);
  const home = own.daemon('unshare', ['--net', 'sh', '-c', 'ip link set lo up; exec sleep 1000'], () => true).pid ?? 0;
  return { own, home };
}

function idOf({ docker }: Daemon, name: string): string {
  return must(docker(['inspect', '-f', '{{.Id}}', name])).stdout.trim();
}

for (const driver of ['json-file', 'local'])
  t.test(
    `${driver}: docker logs reads compressed files, also after the daemon was killed`,
    {
      skip: needDocker(),
    },
    async (t) => {
      const { own, home } = beside(t);
      const daemon = tsrunDaemonBeside(own, home);
      const { docker, at } = daemon;
      must(docker(['load', '-i', imageArchive(daemon.directory)]));
      const options = ['max-size=20k', 'max-file=50', 'compress=true'].flatMap((option) => ['--log-opt', option]);
      const program = 'seq 1 3000; while [ ! -e /on ]; do sleep 0.1; done; seq 3001 4000; exec sleep 1000';
      must(docker(['run', '-d', '--name', 'it', '--log-driver', driver, ...options, IMAGE, 'sh', '-c', program]));
      const id = idOf(daemon, 'it');
      const directory = join(at('data'), 'containers', id, driver === 'local' ? 'local-logs' : '');
      const names = () => readdirSync(directory).filter((name) => name.includes('.log'));
      t.ok(
        eventually(() => names().length > 3 && names().filter((name) => !name.endsWith('.gz')).length === 1, 30_000),
        names().join(' '),
      );
      const log = (...flags: readonly string[]) => written(must(docker(['logs', ...flags, 'it'])).stdout);
      t.same(log(), numbers(1, 3000));
      t.same(log('--tail', '1500'), numbers(1501, 3000));

      process.kill(daemon.pid, 'SIGKILL');
      const again = tsrunDaemonBeside(own, home);
      t.same(written(must(again.docker(['logs', 'it'])).stdout), numbers(1, 3000), 'of the next daemon');
      must(again.docker(['exec', 'it', 'touch', '/on']));
      t.ok(eventually(() => again.docker(['logs', '--tail', '1', 'it']).stdout === '4000\n'));
      must(again.docker(['stop', '-t', '0', 'it']));
      t.same(written(must(again.docker(['logs', '-f', 'it'])).stdout), numbers(1, 4000));
      must(again.docker(['rm', 'it']));
      t.same(readdirSync(at('data/containers')), []);
    },
  );

t.test('mode=non-blocking: the program goes on, and the log says what it lost', { skip: needDocker() }, async (t) => {
  const { own, home } = beside(t);
  const daemon = tsrunDaemonBeside(own, home);
  const { docker, at, run } = daemon;
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  const program = 'seq 1 50000; touch /done; exec sleep 1000';
  const start = (name: string, ...options: readonly string[]) => {
    must(docker(['create', '--name', name, ...options, IMAGE, 'sh', '-c', program]));
    const id = idOf(daemon, name);
    const path = join(at('data'), 'containers', id, `${id}-json.log`);
    mkdirSync(join(path, '..'), { recursive: true });
    // A pipe that nobody reads stands for a disk that takes nothing.
    must(run('mkfifo', [path]));
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    must(docker(['start', name]));
    return { path, fd };
  };
  const isDone = (name: string) => docker(['exec', name, 'test', '-e', '/done']).status === 0;

  const blocking = start('waits');
  t.notOk(
    eventually(() => isDone('waits'), 3000),
    'without it the program waits',
  );
  const file = start('runs', '--log-opt', 'mode=non-blocking', '--log-opt', 'max-buffer-size=64k');
  t.ok(eventually(() => isDone('runs'), 20_000));

  const texts = [blocking, file].map(async ({ path, fd }) => {
    const reader = createReadStream(path, 'utf8');
    let text = '';
    reader.on('data', (chunk) => (text += chunk));
    await once(reader, 'open');
    closeSync(fd);
    await once(reader, 'end');
    return text
      .trim()
      .split('\n')
      .map((line): string => JSON.parse(line).log);
  });
  await sleep(500); // until what waits is written
  must(docker(['kill', 'waits', 'runs']));
  const [all = [], some = []] = await Promise.all(texts);
  t.same(all.map(Number), numbers(1, 50_000));
  const losses = some.map((line) =>
    /^tsrun: (\d+) log entries were lost up to here: the buffer of 65536 bytes/.exec(line),
  );
  const lost = losses.reduce((sum, match) => sum + Number(match?.[1] ?? 0), 0);
  t.ok(lost > 10_000, `${lost} were lost`);
  t.equal(some.filter((_, index) => losses[index] === null).length + lost, 50_000, 'and not one more');
  must(docker(['rm', '-f', 'waits', 'runs']));

  const hung = start('hangs', '--log-opt', 'mode=non-blocking');
  t.ok(eventually(() => isDone('hangs'), 20_000));
  // A disk that hangs does not keep the end from being told.
  must(docker(['kill', 'hangs']));
  t.match(own.log(), /container [0-9a-f]{64}: \d+ log entries are lost, as the disk takes nothing/);
  must(docker(['rm', 'hangs']));
  closeSync(hung.fd);
});

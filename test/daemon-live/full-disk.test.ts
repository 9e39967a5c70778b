// A disk that is full while the daemon does everything at once, on a tmpfs of its own: what is refused says so and is not
// done, what is acknowledged is; containers run on, and when there is room again all works.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { post } from '../helpers/api.js';
import { needDocker, tsrunDaemonBeside } from '../helpers/daemon.js';
import { type Place, place } from '../helpers/engine.js';
import { footprint, left } from '../helpers/footprint.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { clear, expect, NETWORKS, OPERATIONS, readStage } from '../helpers/operations.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(240_000);
const skip = skipUnless(needDocker(), needCommand('nft', 'nftables'), needCommand('ip', 'iproute2'));

/** Its program is under way, and may have ended, when there is no room to say so. */
const LATE = ['exec'];
/** Blocks that are free when everything begins. */
const ROOM = [0, 4];

t.test('a full disk refuses what needs room, and nothing else happens', { skip }, async (t) => {
  const own = place(t);
  const disk = mounted(own);
  const home = own.daemon('unshare', ['--net', 'sh', '-c', 'ip link set lo up; exec sleep 1000'], () => true).pid ?? 0;
  const stage = await readStage(tsrunDaemonBeside(own, home), home, undefined);
  const before = footprint(stage, home);
  for (const room of ROOM) {
    for (const Name of NETWORKS) expect(await post(stage.socket, '/networks/create', { Name }), 201);
    await Promise.all(Object.values(OPERATIONS).map(({ prepare }) => prepare?.(stage)));
    const fill = `${disk}/fill`;
    const { bfree, bsize } = statfsSync(disk);
    writeFileSync(fill, Buffer.alloc((bfree - room) * bsize));
    const answers = await Promise.all(Object.entries(OPERATIONS).map(([, { act }]) => act(stage)));
    rmSync(fill);
    for (const [index, [name, { isDone }]] of Object.entries(OPERATIONS).entries()) {
      const { status, text } = answers[index] ?? { status: 0, text: '' };
      const label = `${room} blocks are free: ${name}: ${status} ${text.slice(-300)}`;
      const refused = status >= 400 || /"error"/.test(text);
      if (refused && !LATE.includes(name)) t.match(text, /ENOSPC|no space left/i, label);
      const isSo = await isDone(stage).catch((error: Error) => error.message);
      if (refused && LATE.includes(name)) t.type(isSo, 'boolean', label);
      else t.equal(isSo, !refused, label);
    }
    await clear(stage);
    const same = () => left(before, footprint(stage, home)).length === 0;
    t.ok(eventually(same), `${room} blocks: left: ${left(before, footprint(stage, home))}`);
    t.ok(existsSync(`/proc/${stage.pid}`), 'the same process');
  }
});

/** Both roots of the daemon are on one tmpfs. */
function mounted(own: Place): string {
  const disk = `${own.directory}/disk`;
  mkdirSync(disk);
  const mount = (...args: readonly string[]) => {
    const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  mount('-t', 'tmpfs', '-o', 'size=96m,mode=755', 'tmpfs', disk);
  for (const name of ['data', 'exec']) {
    mkdirSync(`${disk}/${name}`, { mode: 0o711 });
    mkdirSync(`${own.directory}/${name}`);
    mount('--bind', `${disk}/${name}`, `${own.directory}/${name}`);
  }
  return disk;
}

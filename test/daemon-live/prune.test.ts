// docker container prune and system prune: what does not run goes, as far as filters let it.
import t from 'tap';
import { needDocker, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';

t.setTimeout(120_000);

t.test('containers that do not run go, with filters and without', { skip: needDocker() }, async (t) => {
  const d = tsrunDaemon(t);
  const docker = (...args: readonly string[]) => must(d.docker(args)).stdout;
  docker('load', '--input', imageArchive(d.directory));
  const create = (...flags: readonly string[]) => docker('create', '--network', 'none', ...flags, IMAGE, 'true').trim();
  const [plain, labelled] = [create('--name', 'plain'), create('--name', 'labelled', '--label', 'keep=1')];
  t.match(docker('container', 'prune', '--force', '--filter', 'label!=keep'), plain);
  t.equal(docker('ps', '--all', '--format', '{{.Names}}'), 'labelled\n');
  t.match(docker('container', 'prune', '--force', '--filter', 'until=1h'), /Total reclaimed space: 0B/);
  t.equal(docker('ps', '--all', '--quiet', '--no-trunc'), `${labelled}\n`, 'it is younger');
  t.match(d.docker(['container', 'prune', '--force', '--filter', 'nosuch=1']), {
    status: 1,
    stderr: /invalid filter 'nosuch'/,
  });
  t.match(docker('system', 'prune', '--all', '--force'), /Total reclaimed space/);
  t.equal(docker('ps', '--all', '--quiet') + docker('images', '--quiet'), '');
});

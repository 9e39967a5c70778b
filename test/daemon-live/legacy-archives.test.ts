// docker save and docker load with docker before 1.10 in mind: its archives give the images that dockerd makes of them, and
// what is saved here is read by dockerd and skopeo.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import t from 'tap';
import { type Daemon, dockerd, needOracle, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';

t.setTimeout(240_000);

const [NAME] = IMAGE.split(':');

/** Without what docker since 1.10 reads. */
function asBefore(daemon: Daemon, archive: string, name: string): string {
  const directory = daemon.at(name);
  mkdirSync(directory);
  must(daemon.run('tar', ['-C', directory, '-xf', archive]));
  for (const file of readdirSync(directory))
    if (file === 'manifest.json' || /^[0-9a-f]{64}\.json$/.test(file)) rmSync(`${directory}/${file}`);
  must(daemon.run('tar', ['-C', directory, '-cf', `${directory}.tar`, ...readdirSync(directory)]));
  return `${directory}.tar`;
}

function loaded({ docker }: Daemon, archive: string): string[] {
  must(docker(['load', '-i', archive]));
  const format = '{{.Repository}}:{{.Tag}} {{.ID}}';
  const images = must(docker(['images', '--no-trunc', '--format', format]))
    .stdout.trim()
    .split('\n')
    .sort();
  must(docker(['rmi', '-f', ...images.map((line) => line.split(' ')[0] ?? '')]));
  return images;
}

t.test(
  'archives of docker before 1.10 give the images that dockerd makes of them, and the way back',
  {
    skip: skipUnless(needOracle(), needCommand('skopeo')),
  },
  async (t) => {
    const [oracle, daemon] = [dockerd(t), tsrunDaemonWithNetwork(t)];
    must(oracle.docker(['load', '-i', imageArchive(oracle.directory)]));
    must(oracle.docker(['create', '--name', 'one', IMAGE, 'sh', '-c', 'echo <&>']));
    must(oracle.docker(['cp', oracle.at('daemon.json'), 'one:/added']));
    must(oracle.docker(['commit', '-m', 'a <b>', '-a', 'Some One <a@b>', '-c', 'ENV A=1&2', 'one', `${NAME}:two`]));
    must(oracle.docker(['tag', `${NAME}:two`, 'reg.example:5000/a/b:3']));
    must(oracle.docker(['save', '-o', oracle.at('new.tar'), IMAGE, `${NAME}:two`, 'reg.example:5000/a/b:3']));
    const old = asBefore(oracle, oracle.at('new.tar'), 'old');
    const images = loaded(daemon, old);
    must(oracle.docker(['rm', 'one']));
    must(oracle.docker(['rmi', '-f', IMAGE, `${NAME}:two`, 'reg.example:5000/a/b:3']));
    t.same(images, loaded(oracle, old));
    t.equal(images.length, 3);

    must(daemon.docker(['load', '-i', old]));
    must(daemon.docker(['save', '-o', daemon.at('ours.tar'), IMAGE, `${NAME}:two`, 'reg.example:5000/a/b:3']));
    t.same(loaded(oracle, daemon.at('ours.tar')), images, 'dockerd reads what is saved here');
    const names = JSON.parse(must(daemon.run('tar', ['-xOf', daemon.at('ours.tar'), 'repositories'])).stdout);
    t.same(Object.keys(names), [NAME, 'reg.example:5000/a/b']);

    const copy = `docker-archive:${daemon.at('skopeo.tar')}:reg.example/s/k:1`;
    must(daemon.run('skopeo', ['copy', '-q', `docker-archive:${daemon.at('ours.tar')}:${NAME}:two`, copy]));
    must(daemon.docker(['rmi', '-f', IMAGE, `${NAME}:two`, 'reg.example:5000/a/b:3']));
    const same = [`reg.example/s/k:1 ${images.find((line) => line.startsWith(`${NAME}:two `))?.split(' ')[1]}`];
    t.same(loaded(daemon, daemon.at('skopeo.tar')), same, 'what skopeo makes of it');
    const before = asBefore(daemon, daemon.at('skopeo.tar'), 'skopeo');
    t.match(loaded(daemon, before), [/^reg\.example\/s\/k:1 sha256:/], 'and without a manifest');
  },
);

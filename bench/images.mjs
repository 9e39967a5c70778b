// npm run bench:images: pull of images from docker-registry on loopback, tsrun beside skopeo copy into an OCI layout, in one
// run and in turns, because only ratios within a run mean something. Options: -n ROUNDS (default 5).
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';

const MiB = 1024 * 1024;
/** Sizes of layers, of random bytes. */
const IMAGES = { 'one-layer': [100 * MiB], 'many-layers': Array(40).fill(MiB) };
const HOST = '127.0.0.1:5077';
const TSRUN = join(ROOT, 'bin/tsrun');

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const at = process.argv.indexOf('-n');
const rounds = at < 0 ? 5 : Number(process.argv[at + 1]);
for (const name of ['docker-registry', 'skopeo', 'tar']) if (!hasCommand(name)) fail(`bench: ${name} is not installed`);
const work = mkdtempSync(join(tmpdir(), 'tsrun-bench-'));
const CLIENTS = {
  tsrun: (image) => [TSRUN, 'image', 'pull', '-q', '--data-root', join(work, 'out'), `${HOST}/${image}:1`],
  skopeo: (image) => [
    'skopeo',
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${HOST}/${image}:1`,
    `oci:${work}/out:1`,
  ],
};
const registry = startRegistry();
process.on('exit', () => {
  registry.kill();
  rmSync(work, { recursive: true, force: true });
});

await new Promise((resolve) => setTimeout(resolve, 1000));
for (const [image, sizes] of Object.entries(IMAGES)) {
  publish(image, sizes);
  const times = { tsrun: [], skopeo: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, argv] of Object.entries(CLIENTS)) times[name].push(measure(argv(image)));
  }
  const [own, other] = [median(times.tsrun), median(times.skopeo)];
  process.stdout.write(
    `pull ${image.padEnd(12)} tsrun ${own.toFixed(0)} ms, skopeo ${other.toFixed(0)} ms: ${(other / own).toFixed(2)} times tsrun\n`,
  );
}
process.exit(0);

function measure([program, ...args]) {
  rmSync(join(work, 'out'), { recursive: true, force: true });
  const begin = performance.now();
  must(program, args);
  return performance.now() - begin;
}

function must(program, args) {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) fail(`bench: ${program} ${args.join(' ')}: ${stderr}`);
}

function startRegistry() {
  const config = join(work, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${work}/registry}}\nhttp: {addr: ${HOST}}\n`,
  );
  return spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
}

/** As a docker-archive of plain tars: the time is that of the transfer, not of a decompressor. */
function publish(name, sizes) {
  const directory = join(work, name);
  mkdirSync(directory);
  const layers = sizes.map((size, index) => {
    writeFileSync(join(directory, 'file'), randomBytes(size));
    must('tar', ['-cf', join(directory, `${index}.tar`), '-C', directory, 'file']);
    return {
      file: `${index}.tar`,
      diffId: `sha256:${capture('sha256sum', [join(directory, `${index}.tar`)]).stdout.slice(0, 64)}`,
    };
  });
  rmSync(join(directory, 'file'));
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }));
  const image = { Config: 'config.json', RepoTags: [`${name}:1`], Layers: layers.map(({ file }) => file) };
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify([image]));
  must('tar', ['-cf', join(work, `${name}.tar`), '-C', directory, '.']);
  const store = ['--data-root', join(work, 'source')];
  must(TSRUN, ['image', 'load', ...store, '-q', '-i', join(work, `${name}.tar`)]);
  must(TSRUN, ['image', 'push', ...store, '-q', `${name}:1`, `${HOST}/${name}:1`]);
}

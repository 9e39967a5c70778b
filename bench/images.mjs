// npm run bench:images: pulls from docker-registry on loopback, tsrun beside skopeo, and with layers unpacked beside ctr and
// podman; then our registry beside docker-registry. All in one run and in turns, because only ratios within a run mean
// something. Options: -n ROUNDS (default 5). Clients that are not installed are left out, and said so.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';
import { throughput } from './registry.mjs';

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
const data = join(work, 'out');
const reference = (image) => `${HOST}/${image}:1`;
const store = ['--data-root', data];
/** Commands, one after the other; only blobs are stored. */
const PULLS = {
  tsrun: (image) => [[TSRUN, 'image', 'pull', '-q', ...store, reference(image)]],
  skopeo: (image) => [
    ['skopeo', 'copy', '-q', '--src-tls-verify=false', `docker://${reference(image)}`, `oci:${data}:1`],
  ],
};
const PODMAN = ['podman', '--root', join(data, 'root'), '--runroot', join(data, 'runroot')];
const CTR = ['ctr', '--address', join(work, 'containerd.sock')];
/** The layers are unpacked too; `clean` is not measured. */
const UNPACKS = {
  tsrun: (image) => [
    [TSRUN, 'image', 'pull', '-q', ...store, reference(image)],
    [TSRUN, 'image', 'mount', ...store, reference(image)],
  ],
  podman: (image) => [[...PODMAN, 'pull', '-q', '--tls-verify=false', reference(image)]],
  ctr: (image) => [[...CTR, 'image', 'pull', '--plain-http', reference(image)]],
};
const CLEAN = {
  tsrun: (image) => [TSRUN, 'image', 'umount', ...store, reference(image)],
  podman: () => [...PODMAN, 'rmi', '-af'],
  ctr: (image) => [...CTR, 'image', 'rm', '--sync', reference(image)],
};

const children = [];
process.on('exit', () => {
  for (const child of children) child.kill();
  spawnSync('sh', ['-c', `grep -o '${work}[^ ]*' /proc/self/mountinfo | sort -ru | xargs -r umount -l`]);
  rmSync(work, { recursive: true, force: true });
});
const dockerRegistry = startRegistry();
if (hasCommand('containerd')) startContainerd();
await new Promise((resolve) => setTimeout(resolve, 3000));

for (const [image, sizes] of Object.entries(IMAGES)) {
  publish(image, sizes);
  compare(`pull ${image}`, image, PULLS);
  compare(`pull and unpack ${image}`, image, UNPACKS);
}
await compareRegistries();
process.exit(0);

function compare(what, image, clients) {
  const able = Object.entries(clients).filter(([name]) => name === 'tsrun' || hasCommand(name));
  const times = Object.fromEntries(able.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const [name, commands] of able) times[name].push(measure(name, commands(image), CLEAN[name]?.(image)));
  const own = median(times.tsrun);
  const others = able.map(
    ([name]) => `${name} ${median(times[name]).toFixed(0)} ms (${(median(times[name]) / own).toFixed(2)})`,
  );
  process.stdout.write(`${what.padEnd(30)} ${others.join(', ')}\n`);
  for (const name of Object.keys(clients)) if (!(name in times)) process.stdout.write(`  ${name} is not installed\n`);
}

function measure(name, commands, clean) {
  if (name !== 'ctr') rmSync(data, { recursive: true, force: true });
  const begin = performance.now();
  for (const [program, ...args] of commands) must(program, args);
  const time = performance.now() - begin;
  if (clean !== undefined && (name !== 'tsrun' || existsSync(join(data, 'mounts'))))
    spawnSync(clean[0], clean.slice(1));
  return time;
}

async function compareRegistries() {
  const own = spawn(TSRUN, ['registry', 'serve', '--data-root', join(work, 'served'), '--listen', '127.0.0.1:5078']);
  children.push(own);
  await new Promise((resolve) => own.stdout.once('data', resolve));
  const servers = {
    tsrun: { host: '127.0.0.1:5078', pid: own.pid },
    'docker-registry': { host: HOST, pid: dockerRegistry.pid },
  };
  const rows = new Map();
  for await (const { what, clients, name, rate, processor } of throughput(servers, work, Math.min(rounds, 3))) {
    const key = `${what}, ${clients} clients`;
    const row =
      rows.get(key) ?? Object.fromEntries(Object.keys(servers).map((one) => [one, { rates: [], processors: [] }]));
    row[name].rates.push(rate);
    row[name].processors.push(processor);
    rows.set(key, row);
  }
  for (const [key, row] of rows) {
    const all = Object.entries(row).map(
      ([name, { rates, processors }]) =>
        `${name} ${median(rates).toFixed(0)} MiB/s, ${median(processors).toFixed(0)} ms of processor for each GiB`,
    );
    process.stdout.write(`registry: ${key.padEnd(18)} ${all.join('; ')}\n`);
  }
}

function startContainerd() {
  const config = join(work, 'containerd.toml');
  const text = `version = 2\nroot = "${work}/containerd"\nstate = "${work}/containerd-state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${work}/containerd.sock"\n[ttrpc]\naddress = "${work}/containerd.sock.ttrpc"\n`;
  writeFileSync(config, text);
  children.push(spawn('containerd', ['--config', config], { stdio: 'ignore' }));
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
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  children.push(child);
  return child;
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
  const source = ['--data-root', join(work, 'source')];
  must(TSRUN, ['image', 'load', ...source, '-q', '-i', join(work, `${name}.tar`)]);
  must(TSRUN, ['image', 'push', ...source, '-q', `${name}:1`, `${HOST}/${name}:1`]);
}

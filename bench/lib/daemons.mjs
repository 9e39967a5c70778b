// Two daemons of the Docker Engine API beside each other: ours and the dockerd that is installed. Each has roots of its own
// below one directory and a network namespace of its own, where its bridges and rules are.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { cleanEnv, ROOT } from '../../scripts/lib/run.mjs';
import { pathOf } from './bundles.mjs';

const READY_MS = 30_000;
const END_MS = 60_000;
const APPLETS = ['sh', 'echo', 'sleep', 'true', 'cat', 'head', 'httpd', 'yes'];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const PROGRAMS = {
  tsrun: (at) => [join(ROOT, 'bin/tsrun'), 'daemon', ...common(at)],
  dockerd: (at) => ['dockerd', '--pidfile', at('pid'), ...common(at)],
};

const common = (at) => [
  ...['--host', `unix://${at('socket')}`, '--data-root', at('data'), '--exec-root', at('exec')],
  ...['--config-file', at('none.json')],
];

/** name: tsrun or dockerd. Resolves when it answers. */
export async function startDaemon(work, name) {
  const directory = join(work, name);
  mkdirSync(directory);
  const at = (file) => join(directory, file);
  writeFileSync(at('none.json'), '{}');
  const log = openSync(at('log'), 'w');
  const script = 'ip link set lo up; exec "$0" "$@"';
  const argv = ['--net', '--mount', 'sh', '-c', script, ...PROGRAMS[name](at)];
  const child = spawn('unshare', argv, { stdio: ['ignore', log, log], env: cleanEnv() });
  const daemon = { name, pid: child.pid, directory, child };
  const until = Date.now() + READY_MS;
  while ((await api(daemon, 'GET', '/_ping').catch(() => undefined)) === undefined) {
    if (Date.now() > until) throw new Error(`${name} does not answer: ${readFileSync(at('log'), 'utf8').slice(-2000)}`);
    await sleep(50);
  }
  return daemon;
}

/** Containers that are left go first. */
export async function stopDaemon(daemon) {
  await removeAll(daemon);
  const ended = new Promise((resolve) => daemon.child.once('exit', resolve));
  daemon.child.kill('SIGTERM');
  const late = setTimeout(() => daemon.child.kill('SIGKILL'), END_MS);
  await ended;
  clearTimeout(late);
}

/** The docker command, as a user gives it. Milliseconds; ends the benchmark when it fails. */
export function docker(daemon, args) {
  const argv = ['--host', `unix://${daemon.directory}/socket`, ...args];
  const begin = performance.now();
  const { status, stdout, stderr } = spawnSync('docker', argv, {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    env: cleanEnv(),
  });
  const ms = performance.now() - begin;
  if (status !== 0) throw new Error(`${daemon.name}: docker ${args.join(' ')}: ${stderr}`);
  return { ms, stdout };
}

/** A call without the docker command; rejects for a status of 400 and more. */
export function api(daemon, method, path, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: join(daemon.directory, 'socket'), method, path, headers }, (answer) => {
      let received = '';
      answer.setEncoding('utf8').on('data', (chunk) => (received += chunk));
      answer.on('error', reject).on('end', () => {
        if (answer.statusCode >= 400) reject(new Error(`${daemon.name}: ${method} ${path}: ${received}`));
        else resolve(received);
      });
    });
    call.on('error', reject).end(text);
  });
}

/** The id of a container of the image. */
export async function create(daemon, image, command) {
  const body = { Image: image, Cmd: command, HostConfig: {} };
  return JSON.parse(await api(daemon, 'POST', '/v1.41/containers/create', body)).Id;
}

export async function removeAll(daemon) {
  const all = JSON.parse(await api(daemon, 'GET', '/v1.41/containers/json?all=1'));
  await inTurns(all, 8, ({ Id }) => api(daemon, 'DELETE', `/v1.41/containers/${Id}?force=1&v=1`));
}

/** As many at a time as that. */
export async function inTurns(values, atOnce, action) {
  const queue = [...values];
  const worker = async () => {
    for (let value = queue.shift(); value !== undefined; value = queue.shift()) await action(value);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/**
 * Kilobytes of the daemon and of all that works for its containers (containerd, shims, monitors), not of the containers:
 * what is shared counts in parts (Pss of proc(5)).
 */
export function memoryOf({ pid, directory }) {
  const helpers = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isHelper(name, directory));
  const pids = new Set([String(pid), ...helpers]);
  return [...pids].reduce((sum, one) => sum + pss(one), 0);
}

/** By a path of the daemon's in its arguments. */
function isHelper(pid, directory) {
  const words = read(`/proc/${pid}/cmdline`).split('\0');
  return words.some((word) => word.startsWith(`${directory}/`));
}

const pss = (pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);

function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** An image of busybox alone, from one archive for all. */
export function makeImage(work, daemons, image) {
  const archive = join(work, 'image.tar');
  pack(makeTree(work), archive);
  for (const daemon of daemons) docker(daemon, ['import', archive, image]);
}

/** The same as `docker save` writes it, for every engine. */
export function packImage(work, image) {
  const directory = join(work, 'archive');
  mkdirSync(directory);
  pack(makeTree(work), join(directory, 'layer.tar'));
  const created = '2024-01-01T00:00:00Z';
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created,
    config: { Cmd: ['sh'], Env: ['PATH=/bin'], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(readFileSync(join(directory, 'layer.tar')))}`] },
    history: [{ created, created_by: 'busybox' }],
  });
  const name = `${sha256(config)}.json`;
  writeFileSync(join(directory, name), config);
  const manifest = [{ Config: name, RepoTags: [image], Layers: ['layer.tar'] }];
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(work, 'archive.tar');
  pack(directory, archive);
  return archive;
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function makeTree(work) {
  const tree = join(work, 'image');
  for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(tree, name), { recursive: true });
  copyFileSync(pathOf('busybox'), join(tree, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(tree, 'bin', applet));
  return tree;
}

function pack(directory, archive) {
  const { status, stderr } = spawnSync('tar', ['-C', directory, '-cf', archive, '.'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
}

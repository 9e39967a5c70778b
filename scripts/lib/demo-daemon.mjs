// The last part of the demo: the daemon on a socket of its own, driven by the real docker command.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { capture, hasCommand } from './run.mjs';

/** show(words, status, output): after each command. Returns why it was left out, or undefined. */
export async function demoDaemon({ tsrun, work, rootfs, show }) {
  if (!hasCommand('docker')) return 'there is no docker command here: apt-get install docker.io';
  const socket = join(work, 'docker.sock');
  const roots = ['--data-root', join(work, 'data'), '--exec-root', join(work, 'exec')];
  const log = openSync(join(work, 'daemon.log'), 'w');
  const daemon = spawn(tsrun, ['daemon', '--host', `unix://${socket}`, ...roots], { stdio: ['ignore', log, log] });
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  try {
    for (let i = 0; i < 100 && !existsSync(socket); i++) spawnSync('sleep', ['0.1']);
    capture('tar', ['-C', rootfs, '-cf', join(work, 'image.tar'), '.']);
    const docker = (args) => {
      const env = { PATH: process.env.PATH, HOME: work, DOCKER_HOST: `unix://${socket}` };
      const { status, stdout, stderr } = spawnSync('docker', args, { env, encoding: 'utf8' });
      show(['docker', ...args], status ?? 128, `${stdout}${stderr}`);
    };
    docker(['import', join(work, 'image.tar'), 'demo:latest']);
    docker([
      'run',
      '--rm',
      '--net',
      'none',
      '-m',
      '64m',
      '-v',
      'kept:/srv',
      'demo',
      'sh',
      '-c',
      'echo kept > /srv/note; hostname',
    ]);
    docker(['run', '--rm', '--net', 'none', '-v', 'kept:/srv:ro', 'demo', 'cat', '/srv/note']);
    docker(['volume', 'rm', 'kept']);
  } finally {
    daemon.kill('SIGTERM');
    await ended;
  }
  return undefined;
}

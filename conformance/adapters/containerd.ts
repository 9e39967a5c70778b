/** A containerd of PATH with sockets and directories of its own, which is given the runtime as its runc. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { needProblem } from '../harness/host.js';
import { readText } from '../harness/lab.js';
import { eventually } from '../harness/runtime.js';
import type { AdapterOptions } from './adapter.js';

/** Why a client at this place could not be run with it, or undefined. */
export function clientProblem(place: string): string | undefined {
  return (
    (isProgram(place) ? undefined : `${place} is no program`) ??
    needProblem('command:containerd') ??
    needProblem('command:ctr')
  );
}

/** Its socket, and how it is stopped. */
export async function openContainerd(options: AdapterOptions) {
  const socket = join(options.dir, 'containerd.sock');
  const daemon = startContainerd(options, socket);
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  const close = async (): Promise<void> => {
    daemon.kill();
    await ended;
  };
  if (await eventually(() => existsSync(socket))) return { socket, close };
  await close();
  throw new Error(`containerd: ${readText(join(options.dir, 'log'))}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function startContainerd({ runtime, dir }: AdapterOptions, socket: string): ChildProcess {
  const config = join(dir, 'config.toml');
  const runc = 'plugins."io.containerd.grpc.v1.cri".containerd';
  writeFileSync(
    config,
    `version = 2
root = "${dir}/root"
state = "${dir}/run"
[grpc]
address = "${socket}"
[${runc}]
snapshotter = "native"
default_runtime_name = "tested"
[${runc}.runtimes.tested]
runtime_type = "io.containerd.runc.v2"
[${runc}.runtimes.tested.options]
BinaryName = "${runtime}"
`,
  );
  const log = openSync(join(dir, 'log'), 'w');
  return spawn('containerd', ['--config', config], { stdio: ['ignore', log, log] });
}

/** Helpers on the host's side: the probe in the parts of host.c. They say their pid when they are ready, and end with us. */
import { spawn } from 'node:child_process';
import { must } from './check.js';
import { type Lab, parseObject } from './lab.js';

/** Returns the pid the helper tells; it is killed when the lab closes. */
export async function startHelper(lab: Lab, args: readonly string[]): Promise<number> {
  const child = spawn(lab.bench.probe, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let gone = false;
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      gone = true;
      resolve();
    }),
  );
  lab.undo(async () => {
    if (!gone) child.kill('SIGKILL');
    await exited;
  });
  const line = await Promise.race([
    new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()))),
    exited.then(() => ''),
  ]);
  must(line !== '', `the helper ${args[0]} could not start`);
  return Number(parseObject(line)['pid']);
}

// Throughput of a registry, called by images.mjs: 1 and 16 curls push a blob each (POST, PUT) and pull it again. Beside the
// time stands what the server's processor time was, which says more on a machine where clients and server share two cores.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../scripts/lib/run.mjs';

const MiB = 1024 * 1024;
/** Each client's. */
const BLOB = 64 * MiB;
const TICKS_PER_SECOND = 100;

/** Of all its threads, in seconds. */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function curl(...args) {
  const child = spawn('curl', ['-sS', '--fail', '-o', '/dev/null', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [status] = await once(child, 'exit');
  if (status !== 0) fail(`bench: curl ${args.join(' ')}: ${status}`);
}

/** Blobs that no registry has seen. */
function makeBlobs(work, count) {
  return Array.from({ length: count }, (_, index) => {
    const bytes = randomBytes(BLOB);
    const file = join(work, `blob-${index}`);
    writeFileSync(file, bytes);
    return { file, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
  });
}

async function push(host, { file, digest }) {
  const begun = await fetch(`http://${host}/v2/bench/blobs/uploads/`, { method: 'POST' });
  const to = new URL(begun.headers.get('location'), `http://${host}`);
  to.searchParams.set('digest', digest);
  await curl('-T', file, '-H', 'content-type: application/octet-stream', String(to));
}

const pull = (host, { digest }) => curl(`http://${host}/v2/bench/blobs/${digest}`);

/** servers: { name: { host, pid } }. Yields { what, clients, name, rate (MiB/s), processor (ms for each GiB) }. */
export async function* throughput(servers, work, rounds) {
  for (const clients of [1, 16]) {
    for (let round = 0; round < rounds; round++) {
      const blobs = makeBlobs(work, clients);
      for (const [what, one] of Object.entries({ push, pull })) {
        for (const [name, { host, pid }] of Object.entries(servers)) {
          const [begin, before] = [performance.now(), processorTime(pid)];
          await Promise.all(blobs.map((blob) => one(host, blob)));
          const seconds = (performance.now() - begin) / 1000;
          const size = (clients * BLOB) / MiB;
          const processor = ((processorTime(pid) - before) * 1000 * 1024) / size;
          yield { what, clients, name, rate: size / seconds, processor };
        }
      }
      for (const { file } of blobs) rmSync(file);
    }
  }
}

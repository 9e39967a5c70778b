// Clients that go in the middle: of what they send, of what they are sent, of what they wait for. The daemon notices, lets go
// of descriptors, helpers, leases and locks, and serves the next one; the container goes on.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Digest } from '../../src/util/digest.js';
import { post } from '../helpers/api.js';
import { type Daemon, needDocker, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { makeImage } from '../image/making.js';

t.setTimeout(120_000);

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n';
/** The beginning of an archive with a file of 1 MiB. */
function partOfTar(directory: string): Buffer {
  writeFileSync(join(directory, 'large'), randomBytes(1024 * 1024));
  return spawnSync('tar', ['-C', directory, '-c', 'large'], { maxBuffer: 1 << 24 }).stdout.subarray(0, 600_000);
}

/** Each several times: one that stays may be chance. */
const TIMES = 8;

/** What is sent, and what must have come before the client goes. */
const STREAMS: { readonly [name: string]: readonly [request: string, answer: RegExp] } = {
  attach: [`POST /containers/run/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n${UPGRADE}`, /101 UPGRADED/],
  'attach that never reads': [`POST /containers/loud/attach?stream=1&stdout=1 HTTP/1.1\r\n${UPGRADE}`, /101 UPGRADED/],
  'logs -f': ['GET /containers/run/logs?follow=1&stdout=1 HTTP/1.1\r\n', /200 OK/],
  'logs of much': ['GET /containers/loud/logs?follow=1&stdout=1 HTTP/1.1\r\n', /200 OK/],
  events: ['GET /events HTTP/1.1\r\n', /200 OK/],
  stats: ['GET /containers/run/stats HTTP/1.1\r\n', /"cpu_stats"/],
  wait: ['POST /containers/run/wait HTTP/1.1\r\n', /200 OK/],
  'cp out of one that runs': ['GET /containers/run/archive?path=/ HTTP/1.1\r\n', /200 OK/],
  'cp out of one that does not': ['GET /containers/made/archive?path=/ HTTP/1.1\r\n', /200 OK/],
  export: ['GET /containers/run/export HTTP/1.1\r\n', /200 OK/],
  save: [`GET /images/${encodeURIComponent(IMAGE)}/get HTTP/1.1\r\n`, /200 OK/],
  pull: [
    'POST /images/create?fromImage=REGISTRY/app&tag=latest HTTP/1.1\r\nContent-Length: 0\r\n',
    /Downloading|Pulling fs/,
  ],
};

/** Bodies that never come to their end. */
const BODIES: { readonly [name: string]: string } = {
  load: 'POST /images/load',
  import: 'POST /images/create?fromSrc=-&repo=a',
  'cp into one that runs': 'PUT /containers/run/archive?path=/tmp',
  'cp into one that does not': 'PUT /containers/made/archive?path=/tmp',
  create: 'POST /containers/create?name=never',
};

t.test('clients that go in the middle', { skip: needDocker() }, async (t) => {
  const daemon = tsrunDaemon(t);
  const { docker, socket, api } = daemon;
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  const registry = await slowRegistry(t);
  t.teardown(() => docker(['rm', '-fv', 'run', 'loud', 'made']));
  must(docker(['run', '-di', '--name', 'run', '--network', 'none', IMAGE, 'cat']));
  must(
    docker(['run', '-d', '--name', 'loud', '--network', 'none', IMAGE, 'sh', '-c', 'yes >/proc/1/fd/1; sleep 1000']),
  );
  must(docker(['create', '--name', 'made', '--network', 'none', IMAGE, 'true']));
  const part = partOfTar(daemon.directory);
  const before = held(daemon);
  for (const [name, [request, answer]] of Object.entries(STREAMS)) {
    const text = `${request.replace('REGISTRY', registry)}Host: d\r\n\r\n`;
    const visit = async () => {
      const client = connect(socket);
      client.write(text);
      await until(client, answer);
      return client;
    };
    // One that does not run is kept as it is for one reader, and the others wait.
    if (name.endsWith('does not')) for (let time = 0; time < TIMES; time++) (await visit()).destroy();
    else for (const client of await Promise.all(Array.from({ length: TIMES }, visit))) client.destroy();
    await lets(t, daemon, before, name);
  }
  for (const [name, request] of Object.entries(BODIES)) {
    const clients = Array.from({ length: TIMES }, () => connect(socket));
    const head = `${request} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    for (const client of clients) {
      client.write(`${head}${(700_000).toString(16)}\r\n`);
      client.write(part);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const client of clients) client.destroy();
    await lets(t, daemon, before, name);
  }
  t.equal((await api('GET', '/containers/never/json')).status, 404);
  t.equal((await api('GET', '/images/a/json')).status, 404);
  t.equal((await post(socket, '/containers/made/start', {})).status, 204, 'nobody holds the container');
  t.equal(docker(['exec', '-i', 'run', 'cat'], { input: 'still\n' }).stdout, 'still\n');
});

/** CVE-2022-1708, CVE-2022-31030: of a program that writes without end the daemon keeps no more than it passes on. */
t.test('output that nobody reads stays with the program', { skip: needDocker() }, async (t) => {
  const daemon = tsrunDaemon(t);
  const { docker, socket, pid, api } = daemon;
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  t.teardown(() => docker(['rm', '-f', 'run']));
  must(docker(['run', '-d', '--name', 'run', '--network', 'none', IMAGE, 'sleep', '1000']));
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
  const before = memory();
  const begin = async () => {
    const { json } = await post(socket, '/containers/run/exec', { Cmd: ['cat', '/dev/zero'], AttachStdout: true });
    const client = connect(socket);
    client.write(`POST /exec/${json.Id}/start HTTP/1.1\r\nHost: d\r\n${UPGRADE}\r\n`);
    await until(client, /101 UPGRADED/);
    return client;
  };
  const clients = await Promise.all(Array.from({ length: TIMES }, begin));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const after = memory();
  t.ok(after - before < 48, `${before} MiB, then ${after} MiB`);
  t.equal((await api('GET', '/_ping')).text, 'OK');
  for (const client of clients) client.destroy();
});

interface Held {
  readonly descriptors: number;
  readonly helpers: number;
  readonly files: readonly string[];
}

function held({ pid, at }: Daemon): Held {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean);
  const ingest = readdirSync(at('data/images/ingest')).filter((name) => name.startsWith('new-'));
  const files = [...ingest, ...readdirSync(at('data/images/leases')), ...readdirSync(at('data/snapshots/active'))];
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, helpers: children.length, files: files.toSorted() };
}

/** A few descriptors are of connections that are kept, and of caches. */
async function lets(t: Test, daemon: Daemon, before: Held, name: string): Promise<void> {
  const isFree = () => {
    const now = held(daemon);
    return (
      now.descriptors < before.descriptors + TIMES - 2 &&
      now.helpers <= before.helpers &&
      `${now.files}` === `${before.files}`
    );
  };
  for (let tries = 0; !isFree() && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  if (!isFree() && name === 'pull')
    console.error(
      spawnSync(
        'sh',
        [
          '-c',
          `ls -l /proc/${daemon.pid}/fd; ss -tnp | grep ${daemon.pid}; ls ${daemon.at('data/images/ingest')} ${daemon.at('data/images/leases')}`,
        ],
        { encoding: 'utf8' },
      ).stdout,
    );
  t.ok(isFree(), `${name}: ${JSON.stringify([held(daemon), before])}`);
  t.equal((await daemon.api('GET', '/_ping')).text, 'OK');
}

/** Reads until the answer has come, and no further. */
async function until(client: ReturnType<typeof connect>, answer: RegExp): Promise<void> {
  let seen = '';
  const patience = AbortSignal.timeout(20_000);
  try {
    while (!answer.test(seen)) {
      const [chunk] = await once(client, 'data', { signal: patience });
      seen += String(chunk);
    }
  } catch (error) {
    throw new Error(`${String(error)} after ${seen.slice(0, 500)}`);
  }
  client.pause();
}

/** Its only layer never comes to its end. */
async function slowRegistry(t: Test): Promise<string> {
  const { manifest, layers, blobs } = makeImage({
    layers: [Buffer.concat([randomBytes(1024 * 1024), Buffer.alloc(1024)])],
  });
  const server = createServer(({ url = '' }, response) => {
    const [, digest = ''] = /\/blobs\/(.*)$/.exec(url) ?? [];
    const isManifest = url.includes('/manifests/');
    const bytes = blobs.get((isManifest ? manifest.digest : digest) as Digest);
    if (bytes === undefined) return void response.writeHead(url === '/v2/' ? 200 : 404).end('{}');
    const type = isManifest ? manifest.mediaType : 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
    if (digest === layers[0]) response.write(bytes.subarray(0, 400_000));
    else response.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

// The HTTP server with routes of its own on a Unix socket: what a route answers, what a client may send, connections that
// stop being HTTP.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ApiError, conflict } from '../../../src/daemon/http/api-error.js';
import { empty, hijack, json, jsonLines, RAW_STREAM, type Route } from '../../../src/daemon/http/route.js';
import { createHttp } from '../../../src/daemon/http/server.js';
import { openLog } from '../../../src/daemon/log.js';
import { TsrunError } from '../../../src/errors.js';
import { call, exchange } from '../../helpers/api.js';

const aborted: string[] = [];

async function* endless(signal: AbortSignal): AsyncGenerator<unknown> {
  try {
    for (let n = 0; !signal.aborted; n++) {
      yield { n, pad: 'x'.repeat(1000) };
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    aborted.push('endless');
  }
}

const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/plain', handle: async ({ version }) => json(200, { version }) },
  { method: 'GET', path: '/new', since: '1.44', handle: async () => empty(204) },
  { method: 'POST', path: '/body', handle: async (request) => json(200, await request.body((body) => body)) },
  { method: 'POST', path: '/taken', handle: async () => Promise.reject(conflict('it is taken')) },
  { method: 'GET', path: '/no-status', handle: async () => Promise.reject(new ApiError(0, 'which no head can say')) },
  { method: 'GET', path: '/bug', handle: async () => Promise.reject(new TypeError('x is undefined')) },
  {
    method: 'GET',
    path: '/layer',
    handle: async () => Promise.reject(new TsrunError('IMAGE_NOT_FOUND', 'image "a"', { hint: 'pull it' })),
  },
  { method: 'GET', path: '/endless', handle: async ({ signal }) => jsonLines(endless(signal)) },
  {
    method: 'POST',
    path: '/echo',
    handle: async (request) => {
      const body = await request.body((value) => JSON.stringify(value));
      return hijack(RAW_STREAM, async (connection) => {
        connection.write(`${body}\n`);
        await new Promise((resolve) => setTimeout(resolve, 50)); // whoever reads may come after the data
        for await (const chunk of connection.iterator({ destroyOnReturn: false })) connection.write(`<${chunk}>`);
        connection.write('end of input\n');
      });
    },
  },
  {
    method: 'GET',
    path: '/numbers',
    handle: async (request) => json(200, [request.number('n', 0, 10) ?? null, request.flag('f')]),
  },
];

interface Running {
  readonly socket: string;
  readonly log: string[];
}

async function start(t: Test): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-http-'));
  const socket = join(directory, 's');
  const log: string[] = [];
  const http = createHttp({
    routes: ROUTES,
    log: openLog({ level: 'info', format: 'text' }, (line) => log.push(line)),
  });
  const server = http.server({ tls: undefined, names: undefined }).listen(socket);
  await once(server, 'listening');
  t.teardown(async () => {
    await http.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });
  return { socket, log };
}

t.test('routes: with the version and without; what is none is 404', async (t) => {
  const { socket } = await start(t);
  const plain = await call(socket, 'GET', '/v1.30/plain');
  t.same([plain.status, plain.json], [200, { version: '1.30' }]);
  t.match(plain.headers, { 'api-version': '1.51', ostype: 'linux', 'content-type': 'application/json' });
  t.equal((await call(socket, 'GET', '/new')).status, 204);
  for (const [method, path] of [
    ['GET', '/v1.43/new'],
    ['GET', '/nosuch'],
    ['DELETE', '/plain'],
    ['GET', '//plain'],
  ] as const) {
    const answer = await call(socket, method, path);
    t.same([answer.status, answer.json], [404, { message: 'page not found' }], `${method} ${path}`);
  }
  t.equal((await call(socket, 'GET', '/v1.99/plain')).status, 400);
  t.equal((await call(socket, 'OPTIONS', '/plain')).status, 200);
});

t.test('what a route throws becomes an answer', async (t) => {
  const { socket, log } = await start(t);
  const taken = await call(socket, 'POST', '/taken');
  t.same([taken.status, taken.json], [409, { message: 'it is taken' }]);
  const layer = await call(socket, 'GET', '/layer');
  t.same([layer.status, layer.json], [404, { message: 'image "a" (hint: pull it)' }]);
  const bug = await call(socket, 'GET', '/bug');
  t.same([bug.status, bug.json], [500, { message: 'x is undefined' }]);
  t.match(log.join(''), /nobody foresaw/);
  t.equal((await call(socket, 'GET', '/plain')).status, 200, 'it goes on');
});

t.test('bodies: JSON of the right type, one document, bounded', async (t) => {
  const { socket } = await start(t);
  const post = (body: string, headers = {}) =>
    call(socket, 'POST', '/body', { body, headers: { 'content-type': 'application/json', ...headers } });
  t.same((await post('{"a":1}')).json, { a: 1 });
  t.same((await call(socket, 'POST', '/body')).json, {}, 'none at all is an empty object');
  const message = async (answer: ReturnType<typeof post>) => [(await answer).status, (await answer).text];
  t.match(await message(post('{"a":1} x')), [400, /invalid JSON/]);
  t.match(await message(post('{"a":')), [400, /invalid JSON/]);
  t.match(await message(post('\ufeff{"a":1}')), [400, /invalid JSON: it begins with a byte order mark/]);
  t.match(await message(post('{}', { 'content-type': 'text/plain' })), [
    400,
    /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/,
  ]);
  t.match(await message(post(`"${'x'.repeat(4 * 1024 * 1024)}"`)), [413, /more than/]);
  t.match(await message(post('{}', { 'content-encoding': 'gzip' })), [415, /Content-Encoding/]);
});

t.test('queries: numbers within bounds, dockerd’s booleans', async (t) => {
  const { socket } = await start(t);
  t.same((await call(socket, 'GET', '/numbers?n=7&f=yes')).json, [7, true]);
  t.same((await call(socket, 'GET', '/numbers?n=&f=None')).json, [null, false]);
  for (const n of ['11', '-1', 'x', '1e1', '99999999999999999999'])
    t.match((await call(socket, 'GET', `/numbers?n=${n}`)).json, { message: /invalid query parameter n/ }, n);
});

t.test('a client that still sends its body reads the refusal, and goes on with the connection', async (t) => {
  const { socket } = await start(t);
  const client = connect(socket);
  const broken: Error[] = [];
  let seen = '';
  client.on('error', (error) => broken.push(error));
  client.on('data', (data) => {
    seen += String(data);
  });
  const comes = async (what: RegExp) => {
    const closed = once(client, 'close').then(() => Promise.reject(new Error(`closed: ${broken}`)));
    while (!what.test(seen)) await Promise.race([once(client, 'data'), closed]);
  };
  client.write('POST /taken HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  await comes(/^HTTP\/1.1 409 [\s\S]*it is taken/);
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.write(`fa00\r\n${'x'.repeat(0xfa00)}\r\n`);
  }
  client.write('0\r\n\r\nGET /plain HTTP/1.1\r\nHost: d\r\n\r\n');
  await comes(/\{"version":/);
  t.same(broken, []);
  client.destroy();
});

t.test('what is no HTTP is refused, and once is enough', async (t) => {
  const { socket } = await start(t);
  const bad = [
    'GET /plain HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'POST /body HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'GET /plain HTTP/1.1\r\nHost : d\r\n\r\n',
    'GET /plain HTTP/9\r\n\r\n',
    'hello\r\n\r\n',
  ];
  for (const text of bad) {
    const answer = await exchange(socket, text);
    t.match(answer, /^HTTP\/1.1 400 /, JSON.stringify(text));
    t.equal(answer.match(/HTTP\/1.1/g)?.length, 1, 'one answer, then the end');
  }
  const flood = `GET /plain HTTP/1.1\r\nHost: d\r\n${'X-Y: 0123456789\r\n'.repeat(30_000)}\r\n`;
  t.match(await exchange(socket, flood), /^HTTP\/1.1 431 /);
  t.match(await exchange(socket, 'GET http://d/plain HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n'), /404/);
});

t.test('a request has one Host; of HTTP/1.0 it may have none', async (t) => {
  const { socket } = await start(t);
  const answer = (rest: string) => exchange(socket, `GET /plain HTTP/1.${rest}Connection: close\r\n\r\n`);
  t.match(await answer('1\r\nHost: d\r\n'), /^HTTP\/1.1 200 /);
  t.match(await answer('1\r\nHost:\r\n'), /^HTTP\/1.1 200 /, 'it may be empty');
  t.match(await answer('0\r\n'), /^HTTP\/1.1 200 /);
  t.match(await answer('1\r\n'), /^HTTP\/1.1 400 [\s\S]*one header Host \(this one has 0\)/);
  t.match(await answer('1\r\nHost: d\r\nHost: e\r\n'), /^HTTP\/1.1 400 [\s\S]*one header Host \(this one has 2\)/);
});

t.test('an answer that cannot be written is a connection that ends', async (t) => {
  const { socket } = await start(t);
  t.equal(await exchange(socket, 'GET /no-status HTTP/1.1\r\nHost: d\r\n\r\n'), '');
  t.equal((await call(socket, 'GET', '/plain')).status, 200, 'the server is well');
});

t.test('a web page is refused', async (t) => {
  const { socket } = await start(t);
  const answer = await call(socket, 'GET', '/plain', { headers: { origin: 'http://evil' } });
  t.match([answer.status, answer.text], [403, /web page/]);
});

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n';

t.test('hijack: 101, the body before it, half close after it', async (t) => {
  const { socket } = await start(t);
  const client = connect({ path: socket, allowHalfOpen: true });
  let seen = '';
  client.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  client.write(`POST /echo HTTP/1.1\r\nHost: d\r\n${UPGRADE}Content-Length: 7\r\n\r\n{"a":1}`);
  while (!seen.includes('\n{"a":1}') && !seen.includes('{"a":1}\n')) await once(client, 'data');
  t.match(
    seen,
    /^HTTP\/1.1 101 UPGRADED\r\nContent-Type: application\/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/,
  );
  client.write('one');
  while (!seen.includes('<one>')) await once(client, 'data');
  client.end('two');
  await once(client, 'end');
  t.match(seen, /<two>end of input\n$/, 'output goes on after the end of input');
});

t.test('hijack: the body may come late, and input may come with it', async (t) => {
  const { socket } = await start(t);
  const client = connect({ path: socket, allowHalfOpen: true });
  let seen = '';
  client.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  client.write(`POST /echo HTTP/1.1\r\nHost: d\r\n${UPGRADE}Content-Length: 7\r\n\r\n{"`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.end('a":1}input');
  await once(client, 'end');
  t.match(seen, /\{"a":1\}\n<input>end of input\n$/);
});

t.test('hijack: refused it is an ordinary answer', async (t) => {
  const { socket } = await start(t);
  const refused = await exchange(socket, `POST /taken HTTP/1.1\r\nHost: d\r\n${UPGRADE}\r\n`);
  t.match(refused, /^HTTP\/1.1 409 Conflict\r\n[\s\S]*\{"message":"it is taken"\}\n$/);
  const bad = await exchange(socket, `POST /echo HTTP/1.1\r\nHost: d\r\n${UPGRADE}Transfer-Encoding: chunked\r\n\r\n`);
  t.match(bad, /^HTTP\/1.1 400 [\s\S]*Content-Length/);
});

t.test('hijack without "Connection: Upgrade": 101 or 200, and input comes all the same', async (t) => {
  const { socket } = await start(t);
  const answers = { '': '200 OK', 'Upgrade: tcp\r\n': '101 UPGRADED' };
  for (const [header, status] of Object.entries(answers)) {
    const client = connect({ path: socket, allowHalfOpen: true });
    let seen = '';
    client.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    client.write(`POST /echo HTTP/1.1\r\nHost: d\r\n${header}\r\n`);
    while (!seen.endsWith('{}\n')) await once(client, 'data');
    client.write('GET / HTTP/1.1\r\n\r\n');
    while (!seen.includes('<GET')) await once(client, 'data');
    client.end('two');
    await once(client, 'end');
    t.ok(seen.startsWith(`HTTP/1.1 ${status}\r\nContent-Type: application/vnd.docker.raw-stream\r\n`), seen);
    t.match(seen, /<GET \/ HTTP\/1.1\r\n\r\n><two>end of input\n$/);
    t.notMatch(seen, /chunked/i);
  }
});

t.test('a stream ends with its client, also one that does not read', async (t) => {
  const { socket } = await start(t);
  const client = connect(socket);
  client.write('GET /endless HTTP/1.1\r\nHost: d\r\n\r\n');
  await once(client, 'data');
  client.pause();
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.destroy();
  for (let tries = 0; aborted.length === 0 && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.same(aborted, ['endless']);
});

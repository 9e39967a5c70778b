// What a hostile or careless client sends to the routes of images, lists and events: an answer that names what is wrong,
// and a daemon that is the same process afterwards. Each refusal stands beside the request that is right.
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { call, exchange, post } from '../helpers/api.js';
import { type Daemon, needDaemon, tsrunDaemon } from '../helpers/daemon.js';

t.setTimeout(180_000);

const query = (text: string) => encodeURIComponent(text);

/** method and path, status, words. */
const REFUSED: readonly (readonly [string, string, number, RegExp])[] = [
  ['GET', '/images/json?filters=%7B', 400, /invalid filters: not JSON/],
  ['GET', `/images/json?filters=${query('{"nosuch":["a"]}')}`, 400, /invalid filter 'nosuch'/],
  ['GET', `/images/json?filters=${query('{"label":"a"}')}`, 400, /invalid filter 'label'/],
  ['GET', `/images/json?filters=${query('{"dangling":["perhaps"]}')}`, 400, /dangling/],
  ['GET', `/images/json?filters=${query('{"before":["nosuch"]}')}`, 404, /No such image: nosuch:latest/],
  ['GET', `/images/json?filters=${query('{"until":["yesterday"]}')}`, 400, /until=yesterday/],
  ['GET', '/images/UPPER/json', 400, /invalid reference format/],
  ['GET', `/images/${query('../../etc/passwd')}/json`, 400, /invalid reference format/],
  ['GET', '/images/a%00b/json', 400, /an escape is wrong/],
  ['GET', `/images/${'a'.repeat(5000)}/json`, 400, /invalid reference format/],
  ['POST', '/images/create', 400, /neither fromImage nor fromSrc/],
  ['POST', '/images/create?fromImage=UPPER', 400, /invalid reference format/],
  ['POST', '/images/create?fromImage=a&tag=b&platform=x%2Fy%2Fz%2Fq', 400, /platform/],
  ['POST', '/images/create?fromSrc=file%3A%2F%2F%2Fetc%2Fpasswd', 400, /nor a URL with http or https/],
  ['POST', '/images/create?fromSrc=-&repo=UPPER', 400, /invalid reference format/],
  ['POST', '/images/create?fromSrc=-&repo=a', 400, /the body is empty/],
  ['POST', '/images/load', 400, /the body is empty/],
  ['POST', '/images/nosuch/tag', 400, /repo is missing/],
  ['POST', '/images/nosuch/push', 404, /does not exist locally with the tag: nosuch/],
  ['GET', '/images/get', 400, /names is missing/],
  ['GET', '/images/get?names=nosuch', 404, /No such image/],
  ['GET', '/images/search', 400, /term is missing/],
  ['GET', '/images/search?term=a&limit=500', 400, /^Limit 500 is outside/],
  ['DELETE', '/images/nosuch', 404, /No such image: nosuch:latest/],
  ['GET', '/containers/json?limit=x', 400, /query parameter limit/],
  ['GET', '/containers/json?limit=-2', 400, /query parameter limit/],
  ['GET', `/containers/json?filters=${query('{"status":["fine"]}')}`, 400, /status=fine.*created/],
  ['GET', `/containers/json?filters=${query('{"name":["("]}')}`, 400, /no regular expression/],
  ['GET', `/containers/json?filters=${query('{"name":["(?=a)"]}')}`, 400, /no regular expression/],
  ['GET', `/containers/json?filters=${query('{"publish":["0"]}')}`, 400, /PORT/],
  ['GET', `/containers/json?filters=${query('{"exited":["many"]}')}`, 400, /exit status/],
  ['GET', '/containers/nosuch/json', 404, /^No such container: nosuch$/],
  ['GET', `/containers/${'0'.repeat(64)}/json`, 404, /No such container/],
  ['GET', '/containers/%2e%2e/json', 404, /No such container/],
  ['GET', '/events?since=abc', 400, /query parameter since/],
  ['GET', '/events?since=2&until=1', 400, /`since` time \(2\) cannot be after/],
  ['GET', `/events?filters=${query('{"nosuch":["a"]}')}`, 400, /invalid filter 'nosuch'/],
  ['GET', '/system/df?type=everything', 400, /unknown object type/],
  ['GET', '/v0.1/info', 400, /too old/],
  ['GET', '/v99.9/info', 400, /too new/],
  ['GET', '/vX/info', 404, /page not found/],
  ['GET', '/v1.43//containers/json', 404, /page not found/],
  ['POST', '/build', 501, /not implemented/],
  ['POST', '/session', 501, /not implemented/],
  ['GET', '/swarm', 503, /not a swarm manager/],
];

t.test('requests that cannot be answered', { skip: needDaemon() }, async (t) => {
  const d = tsrunDaemon(t);
  const before = leftovers(d);
  for (const [method, path, status, words] of REFUSED) {
    const answer = await d.api(method, path);
    t.match(
      [answer.status, answer.json?.message],
      [status, words],
      `${method} ${path.slice(0, 100)}: ${answer.text.slice(0, 200)}`,
    );
  }
  const garbage = await d.api('POST', '/images/load', { body: Buffer.alloc(100_000, 7) });
  t.match([garbage.status, garbage.text], [400, /archive/]);
  t.match((await post(d.socket, '/auth', { username: 'a', password: 'b', serveraddress: 'x y' })).json, {
    message: /serveraddress/,
  });
  t.match((await post(d.socket, '/auth', [])).status, 400);
  t.match((await post(d.socket, '/auth', null)).status, 400);
  t.strictSame(leftovers(d), before, 'nothing of it is left in the store');
  t.equal((await d.api('GET', '/_ping')).text, 'OK');
  t.ok(existsSync(`/proc/${d.pid}`), 'the same process');
});

function leftovers(d: Daemon): string[] {
  return ['images/ingest', 'images/leases', 'images/blobs/sha256', 'snapshots/active'].flatMap((name) =>
    readdirSync(join(d.at('data'), name)).map((file) => `${name}/${file}`),
  );
}

t.test('expressions that take for ever elsewhere', { skip: needDaemon() }, async (t) => {
  const d = tsrunDaemon(t);
  const evil = query(JSON.stringify({ name: [`^(a+)+${'b'.repeat(50)}$`] }));
  const begin = performance.now();
  t.equal((await d.api('GET', `/containers/json?all=1&filters=${evil}`)).status, 200);
  t.ok(performance.now() - begin < 2000);
});

t.test('a client that goes in the middle of a body leaves nothing', { skip: needDaemon() }, async (t) => {
  const d = tsrunDaemon(t);
  const before = leftovers(d);
  for (const path of ['/images/load', '/images/create?fromSrc=-&repo=a']) {
    const client = connect(d.socket);
    client.write(
      `POST ${path} HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n${'x'.repeat(0x10000)}\r\n`,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.destroy();
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.strictSame(leftovers(d), before);
});

t.test(
  'a listener that never reads loses its stream, one that reads gets every event',
  { skip: needDaemon() },
  async (t) => {
    const d = tsrunDaemon(t);
    const listen = (onData?: (part: string) => void) => {
      const client = connect(d.socket);
      client.write('GET /events HTTP/1.1\r\nHost: d\r\n\r\n');
      if (onData === undefined) client.pause();
      else client.on('data', (bytes: Buffer) => onData(bytes.toString('latin1')));
      return client;
    };
    const listeners = async () => (await call(d.socket, 'GET', '/info')).json.NEventsListener;
    const becomes = async (count: number) => {
      for (let tries = 0; (await listeners()) !== count && tries < 400; tries++)
        await new Promise((resolve) => setTimeout(resolve, 25));
      return listeners();
    };
    let text = '';
    const seen = () => text.match(/"Action":"prune"/g)?.length;
    const clients = [
      listen(),
      listen(),
      listen((part) => {
        text += part;
      }),
    ];
    t.equal(await becomes(3), 3);
    // What the daemon queues and what the kernel keeps of a socket are bounds; how much that is, is not asked here.
    let made = 0;
    while ((await listeners()) > 1 && made < 20_000) {
      for (let n = 0; n < 100; n++) await call(d.socket, 'POST', '/images/prune');
      made += 100;
    }
    t.equal(await becomes(1), 1, `after ${made} events`);
    for (let tries = 0; seen() !== made && tries < 400; tries++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    t.equal(seen(), made);
    for (const client of clients) client.destroy();
    t.equal(await becomes(0), 0, 'they are forgotten');
  },
);

t.test('two requests in one are one', { skip: needDaemon() }, async (t) => {
  const d = tsrunDaemon(t);
  const smuggled =
    'POST /auth HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /info HTTP/1.1\r\nHost: d\r\n\r\n';
  const answer = await exchange(d.socket, smuggled);
  t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
  t.match(answer, /^HTTP\/1\.1 400/);
});

// Web sockets over the daemon's HTTP server, by a client of the library ws: messages both ways, the end of each side, and
// handshakes that are none.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { type Route, webSocket } from '../../../src/daemon/http/route.js';
import { createHttp } from '../../../src/daemon/http/server.js';
import { openLog } from '../../../src/daemon/log.js';
import { call } from '../../helpers/api.js';

const closed: string[] = [];

const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/echo',
    handle: async () =>
      webSocket(async (connection) => {
        connection.once('close', () => closed.push('echo'));
        for await (const chunk of connection.iterator({ destroyOnReturn: false })) {
          if (String(chunk) === 'bye') return;
          connection.write(`<${chunk}>`);
        }
      }),
  },
];

async function start(t: Test): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-ws-'));
  const socket = join(directory, 's');
  const http = createHttp({ routes: ROUTES, log: openLog({ level: 'error', format: 'text' }, () => undefined) });
  const server = http.server({ tls: undefined, names: undefined }).listen(socket);
  await once(server, 'listening');
  t.teardown(async () => {
    await http.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });
  return socket;
}

t.test('a web socket: binary messages, our close and the client’s', async (t) => {
  const path = await start(t);
  const client = new WebSocket(`ws+unix://${path}:/v1.51/echo`);
  await once(client, 'open');
  client.send('one');
  const [data, isBinary] = await once(client, 'message');
  t.same([String(data), isBinary], ['<one>', true]);
  client.send('bye');
  await once(client, 'close');

  const leaving = new WebSocket(`ws+unix://${path}:/echo`);
  await once(leaving, 'open');
  closed.length = 0;
  leaving.close();
  await once(leaving, 'close');
  while (closed.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.same(closed, ['echo'], 'the route hears of it');
});

t.test('a handshake that is none is 400, and a page of a browser stays outside', async (t) => {
  const path = await start(t);
  t.match(await call(path, 'GET', '/echo'), { status: 400, json: { message: /is for a web socket/ } });
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
  t.match(await call(path, 'GET', '/echo', { headers: upgrade }), {
    status: 400,
    json: { message: /Sec-WebSocket-Key is missing/ },
  });
  const page = new WebSocket(`ws+unix://${path}:/echo`, { origin: 'http://evil.example' });
  const [error] = await once(page, 'error');
  t.match(error, { message: /403/ });
});

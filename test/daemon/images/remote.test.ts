// docker search and docker import URL, against a server of this test.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { parseFilters } from '../../../src/daemon/filters.js';
import { archiveUrl, openRemoteArchive, shown } from '../../../src/daemon/images/remote-archive.js';
import { SEARCH_FILTERS, searchImages } from '../../../src/daemon/images/search.js';
import { openLog } from '../../../src/daemon/log.js';
import { readBody } from '../../../src/registry/http.js';

const RESULTS = [
  { name: 'a/box', description: 'one', star_count: 3, is_official: false, is_automated: false },
  { name: 'box', description: 'two', star_count: 900, is_official: true, is_automated: false, more: 1 },
];

const deps = {
  config: { insecureRegistries: [], registryMirrors: [], layersAtOnce: { down: 1, up: 1 } },
  environment: {},
  log: openLog({ level: 'fatal', format: 'text' }),
};

/** "127.0.0.1:PORT" of a server, and the requests that it had. */
async function server(t: Test): Promise<{ readonly host: string; readonly seen: string[] }> {
  const seen: string[] = [];
  const answer = ({ url = '', headers }: IncomingMessage, response: ServerResponse) => {
    seen.push(`${url} ${headers.authorization ?? ''}`);
    const found = url.startsWith('/v1/search?q=box') ? JSON.stringify({ results: RESULTS }) : undefined;
    const text = url.startsWith('/v1/search?q=odd') ? '[]' : url === '/a.tar?key=1' ? 'archive' : found;
    response.writeHead(text === undefined ? 404 : 200).end(text ?? 'not found');
  };
  const listening = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  t.teardown(() => listening.close());
  const address = listening.address();
  return { host: `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, seen };
}

const wish = (term: string, filters = '{}', limit?: number) => ({
  ...{ term, limit, credentials: undefined },
  filters: parseFilters(filters, SEARCH_FILTERS),
});

t.test('searchImages asks the registry that the term names, and filters what it answers', async (t) => {
  const { host, seen } = await server(t);
  const [first, second] = RESULTS;
  const { more: _, ...official } = second ?? {};
  t.strictSame(await searchImages(deps, wish(`${host}/box`)), [first, official]);
  t.match(seen, [/^\/v1\/search\?q=box&n=25 /]);
  const named = async (filters: string) =>
    (await searchImages(deps, wish(`${host}/box`, filters, 7))).map(({ name }) => name);
  t.strictSame(await named('{"is-official":["true"]}'), ['box']);
  t.strictSame(await named('{"stars":["3"],"is-official":["false"]}'), ['a/box']);
  t.strictSame(await named('{"stars":["901"]}'), []);
  t.match(seen.at(-1), /n=7 /);
});

t.test('searchImages refuses what cannot be asked, and says when a registry has no search', async (t) => {
  const { host } = await server(t);
  const refused = (asked: ReturnType<typeof wish>, status: number, message: RegExp) =>
    t.rejects(searchImages(deps, asked), { status, message });
  await refused(wish(`${host}/other`), 500, /^Unexpected status code 404: .* has no search/);
  await refused(wish(`${host}/odd`), 500, /no list of results/);
  await refused(wish(''), 400, /term is missing/);
  await refused(wish('https://a/b'), 400, /^Invalid repository name/);
  await refused(wish('a', '{}', 101), 400, /^Limit 101 is outside the range of \[1, 100\]/);
  await refused(wish('a', '{"stars":["many"]}'), 400, /stars=many/);
});

t.test('archiveUrl takes http and https alone, and shows neither password nor signature', async (t) => {
  t.equal(archiveUrl('example.com/a.tar').href, 'http://example.com/a.tar');
  t.equal(shown(archiveUrl('https://me:secret@example.com/a.tar?key=1')), 'https://example.com/a.tar');
  for (const bad of ['file:///etc/passwd', 'ftp://example.com/a', 'unix:///run/x', '://'])
    t.throws(() => archiveUrl(bad), { status: 400, message: /nor a URL with http or https/ }, bad);
});

t.test('openRemoteArchive gives what the server has, or the status it answers with', async (t) => {
  const { host, seen } = await server(t);
  const { body, close } = await openRemoteArchive(deps, new URL(`http://${host}/a.tar?key=1`));
  t.teardown(close);
  t.equal((await readBody(body, 100)).toString(), 'archive');
  t.strictSame(seen, ['/a.tar?key=1 ']);
  await t.rejects(openRemoteArchive(deps, new URL(`http://${host}/b.tar?key=1`)), {
    status: 404,
    message: `failed to GET http://${host}/b.tar with status 404`,
  });
  await t.rejects(openRemoteArchive(deps, new URL('http://127.0.0.1:1/a.tar')), {
    code: 'REGISTRY_FAILED',
    message: /^import http:\/\/127\.0\.0\.1:1\/a\.tar: .*ECONNREFUSED/,
  });
});

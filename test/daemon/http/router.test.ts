import t from 'tap';
import { splitVersion } from '../../../src/daemon/http/api-version.js';
import { parseTarget } from '../../../src/daemon/http/request.js';
import { empty, type Method, type Route } from '../../../src/daemon/http/route.js';
import { createRouter } from '../../../src/daemon/http/router.js';

const route = (method: Method, path: string): Route => ({ method, path, handle: async () => empty(204) });

t.test('createRouter: names of images hold slashes, ids do not', async (t) => {
  const router = createRouter([
    route('GET', '/images/{name...}/json'),
    route('GET', '/images/json'),
    route('GET', '/images/{name...}/get'),
    route('GET', '/containers/{id}/json'),
  ]);
  const first = (path: string) => router('GET', path).map(({ route: { path: found }, params }) => [found, params])[0];
  t.same(first('/images/docker.io/library/a/json'), ['/images/{name...}/json', { name: 'docker.io/library/a' }]);
  t.same(first('/images/json'), ['/images/json', {}]);
  t.same(first('/images/127.0.0.1:5000/a:b/get'), ['/images/{name...}/get', { name: '127.0.0.1:5000/a:b' }]);
  t.same(first('/containers/a/json'), ['/containers/{id}/json', { id: 'a' }]);
  t.same(first('/containers/a/b/json'), ['/containers/{id}/json', { id: 'a/b' }], 'but for that of a link');
  t.same(first('/containers/a/b/c/json'), undefined);
  t.same(router('POST', '/images/json'), []);
});

t.test('createRouter: two routes for the same path are a bug', async (t) => {
  t.throws(() => createRouter([route('GET', '/a'), route('GET', '/a')]), /two routes for GET \/a/);
});

t.test('splitVersion: no prefix is the latest version, others are told in dockerd’s words', async (t) => {
  t.same(splitVersion('/info'), { version: '1.51', path: '/info' });
  t.same(splitVersion('/v1.24/info'), { version: '1.24', path: '/info' });
  t.throws(() => splitVersion('/v1.99/info'), {
    message: 'client version 1.99 is too new. Maximum supported API version is 1.51',
  });
  t.throws(() => splitVersion('/v2.0/info'), { message: /too new/ });
  t.throws(() => splitVersion('/v1.20/info'), {
    message:
      'client version 1.20 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  });
  t.throws(() => splitVersion('/v0.1/info'), { message: /too old/ });
  t.throws(() => splitVersion('/v1.2.3/info'), { message: /is not a version/ });
  t.same(splitVersion('/vX/info'), { version: '1.51', path: '/vX/info' });
});

t.test('parseTarget: what is no path of ours is refused', async (t) => {
  t.equal(parseTarget('/images/a%2Fb/json').path, '/images/a/b/json');
  t.throws(() => parseTarget('//v1.43/info'), { message: 'page not found' });
  t.throws(() => parseTarget('http://d/info'), { message: 'page not found' });
  for (const path of ['/a%00b', '/a%ffb', '/a%zz'])
    t.throws(() => parseTarget(path), { message: /an escape is wrong/ }, path);
});

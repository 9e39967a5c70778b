// Links of the default bridge: the variables that a container gets of another one, and what cannot be linked.
import t from 'tap';
import { notFound } from '../../../src/daemon/http/api-error.js';
import { linkEnvironment, renamedLinks, resolveLinks, withoutLink } from '../../../src/daemon/network/links.js';

const DB = {
  name: 'store',
  config: { ExposedPorts: { '5433/udp': {}, '5432/tcp': {} }, Env: ['PATH=/bin', 'USER=a=b', 'HOME=/', 'BARE'] },
  state: { status: 'running' },
  endpoints: { bridge: { IPAddress: '172.17.0.2' } },
};
const WEB = { name: 'web', hostConfig: { NetworkMode: 'bridge', Links: ['store:my-db'] } };

t.test('linkEnvironment() says where the linked container is and what it was told', async (t) => {
  t.same(
    linkEnvironment(WEB, () => DB),
    [
      'MY_DB_PORT=tcp://172.17.0.2:5432',
      'MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432',
      'MY_DB_PORT_5432_TCP_ADDR=172.17.0.2',
      'MY_DB_PORT_5432_TCP_PORT=5432',
      'MY_DB_PORT_5432_TCP_PROTO=tcp',
      'MY_DB_PORT_5433_UDP=udp://172.17.0.2:5433',
      'MY_DB_PORT_5433_UDP_ADDR=172.17.0.2',
      'MY_DB_PORT_5433_UDP_PORT=5433',
      'MY_DB_PORT_5433_UDP_PROTO=udp',
      'MY_DB_NAME=/web/my-db',
      'MY_DB_ENV_USER=a=b',
    ],
  );
  t.same(
    linkEnvironment({ ...WEB, hostConfig: { NetworkMode: 'mine', Links: ['store'] } }, () => DB),
    [],
    'networks of users have names instead',
  );
});

const missing = () => {
  throw notFound('No such container: store');
};

t.test('linkEnvironment() refuses what does not run, or is gone', async (t) => {
  const refusal = { status: 409, message: 'Cannot link to a non running container: /store AS /web/my-db' };
  t.throws(() => linkEnvironment(WEB, () => ({ ...DB, state: { status: 'exited' } })), refusal);
  t.throws(() => linkEnvironment(WEB, missing), refusal);
});

t.test('resolveLinks() refuses what is not there, and names what is linked by its id', async (t) => {
  t.throws(() => resolveLinks(WEB.hostConfig, missing), {
    status: 400,
    message: 'could not get container for store: No such container: store',
  });
  const onMine = { NetworkMode: 'mine', Links: ['store'] };
  t.equal(resolveLinks(onMine, missing), onMine, 'of a network of users a name is looked up later');
  const onHost = () => ({ record: { name: 'store', hostConfig: { NetworkMode: 'host' } } });
  t.throws(() => resolveLinks(WEB.hostConfig, onHost), { status: 400, message: /host type networking/ });
  const found = () => ({ record: { name: 'store', hostConfig: {} } });
  t.same(resolveLinks({ Links: ['0123456789ab:db', 'store'] }, found).Links, ['store:db', 'store:store']);
});

t.test('renamedLinks() and withoutLink() change the link that is meant', async (t) => {
  const host = { Links: ['store:db', 'cache:store'] };
  t.same(renamedLinks(host, 'store', 'kept').Links, ['kept:db', 'cache:store']);
  t.equal(renamedLinks(host, 'db', 'kept'), host, 'an alias is no name');
  t.same(withoutLink(host, 'store')?.Links, ['store:db']);
  t.equal(withoutLink(host, 'nosuch'), undefined);
});

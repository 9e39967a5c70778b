// Links of the default bridge: the variables that a container gets of another one, and what cannot be linked.
import t from 'tap';
import { notFound } from '../../../src/daemon/http/api-error.js';
import { checkLinks, linkEnvironment } from '../../../src/daemon/network/links.js';

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

t.test('linkEnvironment() refuses what does not run, checkLinks() what is not there', async (t) => {
  t.throws(() => linkEnvironment(WEB, () => ({ ...DB, state: { status: 'exited' } })), {
    status: 409,
    message: 'Cannot link to a non running container: /store AS /web/my-db',
  });
  const missing = () => {
    throw notFound('No such container: store');
  };
  t.throws(() => checkLinks(WEB.hostConfig, missing), {
    status: 400,
    message: 'could not get container for store: No such container: store',
  });
  t.doesNotThrow(() => checkLinks({ NetworkMode: 'mine', Links: ['store'] }, missing));
  const onHost = () => ({ record: { hostConfig: { NetworkMode: 'host' } } });
  t.throws(() => checkLinks(WEB.hostConfig, onHost), { status: 400, message: /host type networking/ });
  t.doesNotThrow(() => checkLinks(WEB.hostConfig, () => ({ record: { hostConfig: {} } })));
});

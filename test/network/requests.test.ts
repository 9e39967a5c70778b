import { test } from 'tap';
import { networkMode, portRequests } from '../../src/network/requests.js';

test('networkMode tells host, none, a container and names of networks apart', async (t) => {
  t.same(networkMode('host'), { kind: 'host' });
  t.same(networkMode('none'), { kind: 'none' });
  t.same(networkMode('default'), { kind: 'networks' });
  t.same(networkMode('bridge'), { kind: 'networks' });
  t.same(networkMode('proj_default'), { kind: 'networks' });
  t.same(networkMode('container:abc'), { kind: 'container', containerId: 'abc' });
  t.throws(() => networkMode('container:'), { code: 'NETWORK_INVALID' });
});

test('portRequests reads addresses, single ports, ranges and ephemeral ports', async (t) => {
  const bindings = {
    '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }, { HostPort: '9000-9010' }],
    '53/udp': [{ HostIp: '::1', HostPort: '' }],
    '443': null,
  };
  t.same(portRequests(bindings), [
    { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPorts: { first: 8080, last: 8080 } },
    { protocol: 'tcp', containerPort: 80, hostPorts: { first: 9000, last: 9010 } },
    { protocol: 'udp', containerPort: 53, hostIp: '::1' },
  ]);
});

test('portRequests publishes exposed ports that have no binding, if all are to be published', async (t) => {
  const bindings = { '80/tcp': [{ HostPort: '8080' }] };
  t.same(portRequests(bindings, ['80/tcp', '53/udp'], true), [
    { protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } },
    { protocol: 'udp', containerPort: 53 },
  ]);
  t.same(portRequests(bindings, ['53/udp'], false).length, 1);
});

test('portRequests names what it refuses', async (t) => {
  const refused = (bindings: Parameters<typeof portRequests>[0], message: RegExp) =>
    t.throws(() => portRequests(bindings), { code: 'NETWORK_INVALID', message });
  refused({ '0/tcp': [{}] }, /invalid port specification: "0\/tcp"/);
  refused({ '65536': [{}] }, /invalid port specification: "65536"/);
  refused({ '80/quic': [{}] }, /unknown protocol/);
  refused({ '80/tcp/x': [{}] }, /invalid port specification/);
  refused({ '80': [{ HostIp: 'localhost' }] }, /invalid IP address: "localhost"/);
  refused({ '80': [{ HostPort: '99999' }] }, /invalid HostPort "99999"/);
  refused({ '80': [{ HostPort: '20-10' }] }, /invalid HostPort "20-10"/);
  refused({ '80': [{ HostPort: '1-2-3' }] }, /invalid HostPort "1-2-3"/);
  refused({ '80': [{ HostPort: '-1' }] }, /invalid HostPort "-1"/);
});

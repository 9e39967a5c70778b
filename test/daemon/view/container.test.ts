import t from 'tap';
import { type ContainerRecord, type ContainerState, CREATED } from '../../../src/daemon/container/record.js';
import { parseFilters } from '../../../src/daemon/filters.js';
import { atLeast } from '../../../src/daemon/http/api-version.js';
import { containerInspect } from '../../../src/daemon/view/container.js';
import { CONTAINER_FILTERS, containerFilter } from '../../../src/daemon/view/container-filter.js';
import { containerSummary, linkNames } from '../../../src/daemon/view/container-list.js';
import type { Live } from '../../../src/daemon/view/live.js';
import { statusText } from '../../../src/daemon/view/status.js';
import { digestOf } from '../../../src/util/digest.js';

const DIGEST = digestOf(Buffer.from('image'));
const NOW = Date.parse('2026-01-01T01:00:00Z');
const running: ContainerState = { ...CREATED, status: 'running', pid: 42, startedAt: '2026-01-01T00:59:00.5Z' };

function record(change: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: 'a'.repeat(64),
    name: 'web',
    created: '2026-01-01T00:00:00.25Z',
    image: { reference: 'box', id: DIGEST, manifest: DIGEST },
    config: {
      Entrypoint: ['sh', '-c'],
      Cmd: ['echo a b', 'c'],
      Labels: { 'com.docker.compose.project': 'p' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    },
    hostConfig: { NetworkMode: 'bridge', PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
    networks: { bridge: {} },
    endpoints: {
      bridge: { NetworkID: 'n'.repeat(64), EndpointID: 'e', IPAddress: '172.17.0.2', Gateway: '172.17.0.1' },
    },
    mounts: [
      {
        ...{
          Type: 'volume',
          Name: 'data',
          Source: '/v/data/_data',
          Destination: '/data',
          Driver: 'local',
          Mode: 'z',
          RW: true,
        },
        Propagation: '',
        spec: { anonymous: false },
      },
    ],
    state: running,
    ...{ restartCount: 2, stoppedByUser: false, starts: 3 },
    ...change,
  };
}

const LIVE: Live = {
  published: () => [{ protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 8080 }],
  execIds: () => [],
  sandbox: () => '/run/netns/a',
};
const PLACE = { directory: '/data/containers', driver: 'overlay', apparmor: true };
const at = (version: '1.41' | '1.51') => (least: Parameters<typeof atLeast>[1]) => atLeast(version, least);

t.test('containerInspect: what clients look at', async (t) => {
  const view = containerInspect(record(), PLACE, LIVE, undefined, at('1.51'));
  t.match(view, {
    Name: '/web',
    Path: 'sh',
    Args: ['-c', 'echo a b', 'c'],
    State: { Status: 'running', Running: true, Restarting: false, Pid: 42 },
    Image: DIGEST,
    RestartCount: 2,
    ExecIDs: null,
    LogPath: `/data/containers/${'a'.repeat(64)}/${'a'.repeat(64)}-json.log`,
    HostConfig: { NetworkMode: 'bridge', Binds: null, Memory: 0 },
    Config: { Hostname: '', Labels: { 'com.docker.compose.project': 'p' } },
    Mounts: [{ Name: 'data', Destination: '/data' }],
    NetworkSettings: {
      IPAddress: '172.17.0.2',
      Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '53/udp': null },
      Networks: { bridge: { Gateway: '172.17.0.1', Aliases: null } },
    },
  });
  t.notOk('spec' in (view.Mounts[0] ?? {}), 'what start needs of a mount is not shown');
  t.ok('ImageManifestDescriptor' in view);
  t.notOk('ImageManifestDescriptor' in containerInspect(record(), PLACE, LIVE, undefined, at('1.41')));
});

t.test('containerSummary: a line of docker ps', async (t) => {
  const linker = { ...record(), name: 'other', hostConfig: { Links: ['/web:/db'] } };
  const context = { now: NOW, atLeast: at('1.51'), linkNames: linkNames([record(), linker]) };
  const item = containerSummary(record(), 'box', LIVE, { rw: 1, rootFs: 2 }, context);
  t.match(item, {
    Names: ['/web', '/other/db'],
    Command: "sh -c 'echo a b' c",
    Created: Date.parse('2026-01-01T00:00:00Z') / 1000,
    Ports: [
      { PrivatePort: 53, Type: 'udp' },
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    ],
    State: 'running',
    Status: 'Up 59 seconds',
    SizeRw: 1,
  });
});

t.test('statusText: dockerd’s words', async (t) => {
  const text = (change: Partial<ContainerState>) => statusText({ ...running, ...change }, NOW);
  const health = (status: 'starting' | 'healthy') => ({ health: { status, failingStreak: 0, log: [] } });
  t.equal(text(health('starting')), 'Up 59 seconds (health: starting)');
  t.equal(text(health('healthy')), 'Up 59 seconds (healthy)');
  t.equal(text({ status: 'paused' }), 'Up 59 seconds (Paused)');
  t.equal(text({ status: 'created' }), 'Created');
  t.equal(text({ status: 'exited', exitCode: 3, finishedAt: '2026-01-01T00:00:00Z' }), 'Exited (3) About an hour ago');
  t.equal(
    text({ status: 'restarting', exitCode: 1, finishedAt: '2026-01-01T00:59:58Z' }),
    'Restarting (1) 2 seconds ago',
  );
});

t.test('containerFilter: each filter, and what it does not let through', async (t) => {
  const other = record({
    ...{ id: 'b'.repeat(64), name: 'db', created: '2026-01-01T00:10:00Z', mounts: [], networks: {}, endpoints: {} },
    config: { Labels: {} },
    hostConfig: {},
    state: { ...CREATED, status: 'exited', exitCode: 7 },
  });
  const sources = {
    find: () => record(),
    isOfImage: (_: ContainerRecord, name: string) => name === 'box',
    published: (id: string) => LIVE.published(id).map(({ hostPort, protocol }) => `${hostPort}/${protocol}`),
  };
  const fits = (filters: object) => {
    const filter = containerFilter(parseFilters(JSON.stringify(filters), CONTAINER_FILTERS), sources);
    return [record(), other].filter(filter).map(({ name }) => name);
  };
  t.same(fits({ name: ['^/?we'] }), ['web']);
  t.same(fits({ id: ['^b'] }), ['db']);
  t.same(fits({ status: ['exited', 'paused'] }), ['db']);
  t.same(fits({ exited: ['7'] }), ['db']);
  t.same(fits({ exited: ['0'] }), []);
  t.same(fits({ label: ['com.docker.compose.project=p'] }), ['web']);
  t.same(fits({ volume: ['data'] }), ['web']);
  t.same(fits({ volume: ['/data'] }), ['web']);
  t.same(fits({ network: ['bridge'] }), ['web']);
  t.same(fits({ network: ['nnn'] }), ['web']);
  t.same(fits({ publish: ['8080'] }), ['web', 'db']);
  t.same(fits({ publish: ['80', '8080/udp'] }), [], 'not the port inside');
  t.same(fits({ expose: ['50-60/udp'] }), ['web']);
  t.same(fits({ health: ['none'] }), ['web', 'db']);
  t.same(fits({ since: ['web'] }), ['db']);
  t.same(fits({ before: ['web'] }), []);
  t.same(fits({ ancestor: ['box'] }), ['web', 'db']);
  t.same(fits({ ancestor: ['other'] }), []);
  t.same(fits({ 'is-task': ['true'] }), []);
});

// rootlessSpec: what differs in a container of a user without rights; the ids a user namespace is made with.
import t from 'tap';
import { mappedAccount, rootlessSpec } from '../../src/bundle/rootless-spec.js';
import { idMapWords } from '../../src/cli/user-namespace.js';
import type { Config } from '../../src/spec/types.gen.js';
import { isMapped, parseIdMap } from '../../src/util/user-namespace.js';

const RANGES = parseIdMap('         0       1000          1\n         1     100000      65536\n');
const IDS = { uids: RANGES, gids: RANGES };
const ONE = parseIdMap('0 1000 1\n');

const CONFIG: Config = {
  ociVersion: '1.3.0',
  root: { path: 'rootfs' },
  process: { args: ['sh'], cwd: '/', user: { uid: 0, gid: 0 }, oomScoreAdj: 0 },
  mounts: [
    { destination: '/dev/pts', type: 'devpts', options: ['nosuid', 'gid=5'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] },
  ],
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'network' }],
    resources: { devices: [{ allow: false, access: 'rwm' }] },
    sysctl: { 'net.ipv4.ping_group_range': '0 2147483647', 'net.ipv4.ip_unprivileged_port_start': '0' },
  },
};

t.test('the container has a user namespace with the ids of the one around it, and no filter of devices', async (t) => {
  const { linux, mounts, process } = rootlessSpec(CONFIG, IDS);
  const same = [
    { containerID: 0, hostID: 0, size: 1 },
    { containerID: 1, hostID: 1, size: 65536 },
  ];
  t.strictSame([linux?.uidMappings, linux?.gidMappings], [same, same]);
  t.strictSame(
    linux?.namespaces?.map(({ type }) => type),
    ['mount', 'network', 'user'],
  );
  t.strictSame(linux?.resources, { devices: [] });
  t.strictSame(mounts, CONFIG.mounts, 'the group tty is among its ids');
  t.notOk(process !== undefined && 'oomScoreAdj' in process);
  t.strictSame(process?.args, ['sh']);
});

t.test('with one id there is no group tty, and pings are of its group', async (t) => {
  const { linux, mounts } = rootlessSpec(CONFIG, { uids: ONE, gids: ONE });
  t.strictSame(mounts?.[0]?.options, ['nosuid']);
  t.strictSame(linux?.sysctl, {
    'net.ipv4.ping_group_range': '0 0',
    'net.ipv4.ip_unprivileged_port_start': '0',
  });
});

t.test("in the host's network /sys is the host's, read-only with all below", async (t) => {
  const linux = { ...CONFIG.linux, namespaces: [{ type: 'mount' as const }] };
  const { mounts } = rootlessSpec({ ...CONFIG, linux }, IDS);
  t.match(mounts?.[1], { type: 'none', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'rro'] });
});

t.test('groups without an id are left out, all of them where setgroups is closed', async (t) => {
  const account = { uid: 0, gid: 0, additionalGids: [10, 70_000], home: '/' };
  t.strictSame(mappedAccount(account, IDS).additionalGids, [10]);
  t.strictSame(mappedAccount(account, { uids: ONE, gids: ONE }).additionalGids, []);
});

t.test('idMapWords: root is the user, granted ids follow without a gap', async (t) => {
  t.equal(idMapWords(1000, []), '0 1000 1');
  const granted = [
    [100_000, 65_536],
    [300_000, 10],
  ] as const;
  t.equal(idMapWords(1000, granted), '0 1000 1 1 100000 65536 65537 300000 10');
  t.ok(isMapped(RANGES, 65_536));
  t.notOk(isMapped(RANGES, 65_537));
});

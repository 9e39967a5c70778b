// Id-mapped mounts and SELinux labels of mounts: what compileMounts refuses. What it makes of those that it takes is in the
// golden cases idmap-* and mount-label.
import t from 'tap';
import { parseIdMapOption } from '../../src/util/idmap-option.js';
import { create, ops, refusals } from './compiling.js';

const MAP = [{ containerID: 0, hostID: 100000, size: 1000 }];
const USER = { namespaces: [{ type: 'mount' }, { type: 'user' }], uidMappings: MAP, gidMappings: MAP };
const BIND = { destination: '/m', source: '/s' };

const inUserns = (mount: object, facts = {}) => refusals(() => create({ linux: USER, mounts: [mount] }, { facts }));

t.test('parseIdMapOption reads ranges and says what is wrong', (t) => {
  t.equal(parseIdMapOption('idmap'), undefined);
  t.same(parseIdMapOption('idmap=uids=0-1-10#@10-11-10;gids=0-100-10'), {
    uids: [
      { from: 0, to: 1, size: 10, relative: false },
      { from: 10, to: 11, size: 10, relative: true },
    ],
    gids: [{ from: 0, to: 100, size: 10, relative: false }],
  });
  for (const value of [
    '',
    'uids',
    'uids=',
    'uids=1-2',
    'uids=1-2-0',
    'uids=1-2-3;x=1-2-3',
    'uids=4294967290-0-10',
    'uids=-1-2-3',
  ])
    t.type(parseIdMapOption(`ridmap=${value}`), 'string', value);
  t.end();
});

t.test('compileMounts refuses an id-mapped mount that this kernel, or this user, cannot make', (t) => {
  const mapped = { ...BIND, options: ['bind', 'idmap'] };
  t.same(inUserns(mapped), [], 'the positive twin');
  t.same(inUserns(mapped, { mountApi: { idmap: false, nosymfollow: true } }), [
    'IDMAP_UNSUPPORTED /mounts/0/options/1',
  ]);
  t.same(inUserns(mapped, { capabilities: 0n, euid: 1000 }), ['IDMAP_UNSUPPORTED /mounts/0/options/1']);
  t.end();
});

t.test('compileMounts refuses a mapping for what shows namespaces, and what mount(2) alone can make', (t) => {
  t.same(inUserns({ destination: '/m', type: 'sysfs', options: ['idmap'] }), ['IDMAP_UNSUPPORTED /mounts/0/options/0']);
  t.same(inUserns({ destination: '/m', type: 'cgroup', options: ['idmap'] }), [
    'IDMAP_UNSUPPORTED /mounts/0/options/0',
  ]);
  t.same(inUserns({ destination: '/m', type: 'ext4', source: '/dev/x', options: ['idmap', 'mand'] }), [
    'IDMAP_UNSUPPORTED /mounts/0/options',
  ]);
  t.end();
});

t.test(
  'compileMounts refuses a mapped source inside the root file system only where the host would have to open it',
  (t) => {
    const inside = { destination: '/m', source: 'rootfs/x', options: ['bind'], uidMappings: MAP, gidMappings: MAP };
    t.same(inUserns(inside), ['IDMAP_UNSUPPORTED /mounts/0/source']);
    const [source] = ops(create({ mounts: [inside] }), 'OPEN_SOURCE', 'init');
    t.match(source, { path: '/x', flags: 2 }, 'without a user namespace init opens it');
    t.end();
  },
);

t.test('compileMounts refuses a relative mapping to ids that the container does not have', (t) => {
  const option = (text: string) => inUserns({ ...BIND, options: ['bind', text] });
  t.same(option('idmap=uids=@0-999-1'), []);
  t.same(option('idmap=uids=@0-999-2'), ['ID_NOT_MAPPED /mounts/0/options/1']);
  const joined = { namespaces: [{ type: 'mount' }, { type: 'user', path: '/run/userns' }] };
  const mounts = [{ ...BIND, options: ['bind', 'idmap=uids=@0-0-1;gids=0-0-1'] }];
  t.same(
    refusals(() => create({ linux: joined, mounts })),
    ['ID_NOT_MAPPED /mounts/0/options/1'],
  );
  t.end();
});

t.test('compileMounts opens one user namespace for all mounts with the same mapping', (t) => {
  const own = { uidMappings: MAP, gidMappings: MAP };
  const mounts = ['/a', '/b', '/c'].map((destination) => ({ ...BIND, destination, options: ['bind'], ...own }));
  t.equal(ops(create({ linux: USER, mounts }), 'OPEN_USERNS').length, 1);
  t.end();
});

t.test('compileCreate refuses linux.mountLabel on a host without SELinux', (t) => {
  const linux = { mountLabel: 'system_u:object_r:container_file_t:s0' };
  t.same(
    refusals(() => create({ linux: { ...USER, ...linux } })),
    ['SELINUX_UNAVAILABLE /linux/mountLabel'],
  );
  t.end();
});

import t from 'tap';
import {
  findCgroups,
  isInitialUidMap,
  parseCapabilities,
  parseCgroupLines,
  parseHardLimits,
  parseHugepageSize,
  parseKernel,
  parseMountinfo,
  parseNamespaces,
  parseSubordinate,
} from '../../src/host/parse.js';

const UNIFIED = `22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`;

const HYBRID = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;

const LEGACY = HYBRID.split('\n').slice(0, 3).join('\n');

const CONTAINER = `812 700 0:26 /system.slice/docker-abc.scope /sys/fs/cgroup ro,nosuid master:9 - cgroup2 cgroup rw
813 700 0:99 / /mnt/with\\040space\\134 rw - tmpfs tmpfs rw
`;

const OWN = `9:name=systemd:/user.slice
4:memory:/process_api/2e2d
2:cpu,cpuacct:/
1:blkio:/not/mounted
0::/user.slice/session-2.scope
`;

const find = (mounts: string, own = OWN) => findCgroups(parseMountinfo(mounts), parseCgroupLines(own));

t.test('findCgroups tells unified, hybrid, legacy and none apart', async (t) => {
  t.same(find(UNIFIED), { layout: 'unified', mount: '/sys/fs/cgroup', own: '/user.slice/session-2.scope', v1: [] });
  t.same(find(HYBRID), {
    layout: 'hybrid',
    mount: '/sys/fs/cgroup/unified',
    own: '/user.slice/session-2.scope',
    v1: [
      { controllers: 'cpu,cpuacct', mount: '/sys/fs/cgroup/cpu,cpuacct', own: '/' },
      { controllers: 'memory', mount: '/sys/fs/cgroup/memory', own: '/process_api/2e2d' },
      { controllers: 'name=systemd', mount: '/sys/fs/cgroup/systemd', own: '/user.slice' },
    ],
  });
  t.match(find(LEGACY), { layout: 'legacy', mount: null, v1: [{ controllers: 'cpu,cpuacct' }] });
  t.match(find('22 1 254:1 / / rw - ext4 /dev/vda1 rw\n'), { layout: 'none', mount: null, v1: [] });
});

t.test('findCgroups prefers what is mounted at /sys/fs/cgroup to other places', async (t) => {
  const elsewhere = '50 22 0:26 / /mnt/cg rw - cgroup2 none rw\n';
  t.equal(find(elsewhere + UNIFIED).mount, '/sys/fs/cgroup');
  t.equal(find(elsewhere).mount, '/mnt/cg');
  const memory = '51 22 0:32 / /mnt/memory rw - cgroup none rw,memory\n';
  t.match(find(memory + HYBRID).v1[0], { controllers: 'memory', mount: '/sys/fs/cgroup/memory' });
  t.match(find(HYBRID + memory).v1[1], { controllers: 'memory', mount: '/sys/fs/cgroup/memory' });
  t.match(find(memory).v1, [{ controllers: 'memory', mount: '/mnt/memory' }]);
});

t.test('parseMountinfo undoes the octal escapes of paths and skips what is no mount line', async (t) => {
  t.equal(parseMountinfo(CONTAINER)[1]?.point, '/mnt/with space\\');
  t.same(parseMountinfo('garbage\n\n1 2 3\n'), []);
});

t.test('findCgroups takes the root of the mount off the own cgroup', async (t) => {
  const ownOf = (own: string, mounts = UNIFIED) => find(mounts, own).own;
  t.equal(ownOf('0::/gone (deleted)\n'), '/gone');
  t.equal(ownOf('4:memory:/x\n'), '/', 'no v2 line');
  t.equal(ownOf('0::/system.slice/docker-abc.scope/inner\n', CONTAINER), '/inner');
  t.equal(ownOf('0::/system.slice/docker-abc.scope\n', CONTAINER), '/');
  t.equal(ownOf('0::/../other\n'), '/', 'outside the root of the cgroup namespace');
});

t.test('the other parsers of host/parse read what the kernel writes', async (t) => {
  t.same(['hugepages-2048kB', 'hugepages-1048576kB', 'hugepages-64kB', 'other'].map(parseHugepageSize), [
    '2MB',
    '1GB',
    '64KB',
    undefined,
  ]);
  t.same(parseKernel('6.18.44-fc-v669'), [6, 18]);
  t.same(parseKernel('unknown'), [0, 0]);
  t.equal(parseCapabilities('CapInh:\t0000000000000000\nCapEff:\t000001fffeffffff\n'), 0x1fffeffffffn);
  t.equal(isInitialUidMap('         0          0 4294967295'), true);
  t.equal(isInitialUidMap('         0       1000          1\n'), false);
  t.same(parseNamespaces(['cgroup', 'net', 'pid', 'pid_for_children', 'time_for_children']), [
    'pid',
    'network',
    'cgroup',
  ]);
  t.same(
    parseHardLimits(
      'Limit                     Soft Limit           Hard Limit           Units     \n' +
        'Max cpu time              unlimited            unlimited            seconds   \n' +
        'Max open files            1024                 20000                files     \n' +
        'Max nice priority         0                    0                    \n',
    ),
    { RLIMIT_CPU: (1n << 64n) - 1n, RLIMIT_NOFILE: 20000n, RLIMIT_NICE: 0n },
  );
});

t.test('parseSubordinate takes the ranges of a user, by name or number', async (t) => {
  const text = 'root:0:1\nme:100000:65536\nmeow:1:1\n1000:300000:10\nme:bad:1\n#me:1:1\n';
  t.same(parseSubordinate(text, ['me', '1000']), [
    [100000, 65536],
    [300000, 10],
  ]);
  t.same(parseSubordinate('', ['me']), []);
});

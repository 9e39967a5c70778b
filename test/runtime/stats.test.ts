/** runtime: statistics out of cgroup files, in the shape of `runc events`, and what people are shown of them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { topText } from '../../src/cli/commands/top.js';
import { filterPs } from '../../src/runtime/ps.js';
import { readStats } from '../../src/runtime/stats.js';
import { parseInterfaces } from '../../src/runtime/stats-network.js';
import { usageOf } from '../../src/runtime/usage.js';
import { humanBytes } from '../../src/util/byte-size.js';
import { parseDuration } from '../../src/util/duration.js';
import { stringifyJson } from '../../src/util/json-write.js';

function directory(t: Test, name: string, files: { readonly [file: string]: string }): string {
  const path = join(existsSync(t.testdirName) ? t.testdirName : t.testdir({}), name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

const V2 = {
  'cpu.stat':
    'usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 10\nnr_throttled 2\nthrottled_usec 7\nnr_bursts 0\n',
  'cpu.pressure': 'some avg10=1.50 avg60=0.00 avg300=0.00 total=42\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
  'cpuset.cpus.effective': '0-1,4\n',
  'cpuset.mems.effective': '0\n',
  'memory.current': '1048576\n',
  'memory.max': 'max\n',
  'memory.peak': '2097152\n',
  'memory.swap.current': '4096\n',
  'memory.swap.max': '8192\n',
  'memory.stat': 'anon 1\nfile 77\nkernel 5\nsock 0\n',
  'memory.events': 'low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n',
  'pids.current': '3\n',
  'pids.max': 'max\n',
  'io.stat': '8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n',
  'hugetlb.2MB.current': '2097152\n',
  'hugetlb.2MB.events': 'max 6\n',
  'rdma.current': 'mlx4_0 hca_handle=1 hca_object=20\n',
  'rdma.max': 'mlx4_0 hca_handle=2 hca_object=max\n',
};

t.test('readStats of cgroup v2: units of v1, zeros left out, memory.events beside', async (t) => {
  const stats = readStats({ v2: directory(t, 'v2', V2), v1: {} }, process.pid);
  t.strictSame(stats.cpu, {
    usage: { total: 3_000_000n, kernel: 1_000_000n, user: 2_000_000n },
    throttling: { periods: 10n, throttledPeriods: 2n, throttledTime: 7000n },
    psi: {
      some: { avg10: 1.5, avg60: 0, avg300: 0, total: 42n },
      full: { avg10: 0, avg60: 0, avg300: 0, total: 0n },
    },
  });
  t.match(stats.cpuset, { cpus: [0, 1, 4], mems: [0] });
  t.strictSame(stats.memory, {
    cache: 77n,
    usage: { limit: 2n ** 64n - 1n, usage: 1048576n, max: 2097152n, failcnt: 0n },
    swap: { limit: 2n ** 64n - 1n, usage: 1052672n, failcnt: 0n },
    kernel: { limit: 0n, usage: 5n, failcnt: 0n },
    kernelTCP: { limit: 0n, failcnt: 0n },
    raw: { anon: 1n, file: 77n, kernel: 5n, sock: 0n },
    events: { low: 0n, high: 1n, max: 2n, oom: 3n, oom_kill: 4n },
  });
  t.strictSame(stats.pids, { current: 3n });
  t.strictSame(stats.blkio, {
    ioServiceBytesRecursive: [
      { major: 8n, op: 'Read', value: 4096n },
      { major: 8n, op: 'Write' },
    ],
    ioServicedRecursive: [
      { major: 8n, op: 'Read', value: 1n },
      { major: 8n, op: 'Write' },
    ],
  });
  t.strictSame(stats.hugetlb, { '2MB': { usage: 2097152n, failcnt: 6n } });
  t.strictSame(stats.rdma, { mlx4_0: { hca_handle: { current: 1n, limit: 2n }, hca_object: { current: 20n } } });
  t.equal(stats.network_interfaces, null, 'the host’s interfaces are not those of a container');
  t.match(stringifyJson(stats), /"limit":18446744073709551615/, 'integers stay exact');
});

t.test('readStats of cgroup v1: each controller in its own directory', async (t) => {
  const v1 = {
    cpu: directory(t, 'cpu', { 'cpu.stat': 'nr_periods 1\nnr_throttled 1\nthrottled_time 5\n' }),
    cpuacct: directory(t, 'cpuacct', {
      'cpuacct.usage': '15465648\n',
      'cpuacct.usage_percpu': '367681 15097967 \n',
      'cpuacct.usage_all': 'cpu user system\n0 1 2\n1 3 4\n',
      'cpuacct.stat': 'user 2\nsystem 1\n',
    }),
    memory: directory(t, 'memory', {
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.usage_in_bytes': '634880\n',
      'memory.max_usage_in_bytes': '2523136\n',
      'memory.failcnt': '0\n',
      'memory.stat': 'cache 12\nrss 4096\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
    }),
    pids: directory(t, 'pids', { 'pids.current': '2\n', 'pids.max': '7\n' }),
    blkio: directory(t, 'blkio', {
      'blkio.throttle.io_serviced_recursive': '8:16 Read 1\n8:16 Total 1\nTotal 1\n',
      'blkio.throttle.io_service_bytes_recursive': '8:16 Read 512\nTotal 512\n',
    }),
    hugetlb: directory(t, 'hugetlb', { 'hugetlb.2MB.usage_in_bytes': '0\n', 'hugetlb.2MB.failcnt': '3\n' }),
  };
  const stats = readStats({ v2: undefined, v1 }, process.pid);
  t.strictSame(stats.cpu, {
    usage: {
      total: 15465648n,
      percpu: [367681n, 15097967n],
      percpu_kernel: [2n, 4n],
      percpu_user: [1n, 3n],
      kernel: 10_000_000n,
      user: 20_000_000n,
    },
    throttling: { periods: 1n, throttledPeriods: 1n, throttledTime: 5n },
  });
  t.match(stats.memory, {
    cache: 12n,
    usage: { limit: 9223372036854771712n, usage: 634880n, max: 2523136n, failcnt: 0n },
    raw: { rss: 4096n },
    events: { oom_kill: 1n },
  });
  t.strictSame(stats.pids, { current: 2n, limit: 7n });
  t.strictSame(stats.blkio, {
    ioServiceBytesRecursive: [{ major: 8n, minor: 16n, op: 'Read', value: 512n }],
    ioServicedRecursive: [
      { major: 8n, minor: 16n, op: 'Read', value: 1n },
      { major: 8n, minor: 16n, op: 'Total', value: 1n },
    ],
  });
  t.strictSame(stats.hugetlb, { '2MB': { failcnt: 3n } });
});

t.test('readStats without a cgroup has the whole shape, empty', async (t) => {
  const stats = readStats({ v2: undefined, v1: {} }, process.pid);
  t.strictSame(Object.keys(stats), [
    'cpu', 'cpuset', 'memory', 'pids', 'blkio', 'hugetlb', 'intel_rdt', 'network_interfaces',
  ]); // biome-ignore format: names
  t.strictSame(stats.memory.usage, { limit: 0n, failcnt: 0n });
});

t.test('parseInterfaces takes the counters of /proc/PID/net/dev', async (t) => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
`;
  const [eth0, ...rest] = parseInterfaces(text);
  t.strictSame(eth0, {
    Name: 'eth0', RxBytes: 1000n, RxPackets: 10n, RxErrors: 1n, RxDropped: 2n,
    TxBytes: 2000n, TxPackets: 20n, TxErrors: 3n, TxDropped: 4n,
  }); // biome-ignore format: fields
  t.strictSame(rest, []);
});

t.test('usageOf takes the share of the CPU from two samples', async (t) => {
  const stats = readStats({ v2: directory(t, 'v2', V2), v1: {} }, process.pid);
  t.equal(usageOf(stats, 100).cpuPercent, undefined, 'one sample says nothing');
  const usage = usageOf(stats, 106, { cpuTime: 0n, at: 100 });
  t.equal(usage.cpuPercent, 50, '3 ms within 6 ms');
  t.match(usage, { memory: 1048576n, memoryLimit: undefined, pids: 3n, ioRead: 4096n, oomKills: 4n });
});

t.test('top prints a row for each container, and JSON', async (t) => {
  const usage = usageOf(readStats({ v2: directory(t, 'v2', V2), v1: {} }, process.pid), 1);
  const entries = [
    { id: 'web', status: 'running', pid: 5, usage },
    { id: 'old', status: 'stopped', pid: 0, usage: undefined },
  ];
  const table = topText(entries, 'table').split('\n');
  t.match(table[0], /^NAME +STATUS +CPU % +CPU TIME +MEMORY \/ LIMIT +PIDS +IO READ \/ WRITTEN +NET IN \/ OUT +OOM$/);
  t.match(table[1], /^web +running +- +0\.00s +1\.0MiB \/ - +3 +4\.0KiB \/ 0B +- +4$/);
  t.match(table[2], /^old +stopped$/);
  const [web, old] = JSON.parse(topText(entries, 'json'));
  t.match(web, { id: 'web', status: 'running', pid: 5, memory: 1048576, pids: 3 });
  t.strictSame(old, { id: 'old', status: 'stopped', pid: 0 });
  t.equal(humanBytes(0n), '0B');
  t.equal(humanBytes(1536n), '1.5KiB');
  t.equal(humanBytes(200n * 1024n ** 3n), '200GiB');
});

t.test('filterPs keeps the lines of these pids, by the PID column', async (t) => {
  const output = 'UID   PID  PPID CMD\nroot    7     1 a\nroot   17     1 b 7\n';
  t.equal(filterPs(output, new Set([7])), 'UID   PID  PPID CMD\nroot    7     1 a\n');
  t.equal(filterPs(output, new Set()), 'UID   PID  PPID CMD\n');
  t.throws(() => filterPs('COMMAND\na\n', new Set([7])), {
    code: 'IO',
    message: /couldn't find PID field in ps output/,
  });
});

t.test('parseDuration reads what Go does', async (t) => {
  const good = { '5s': 5000, '1m30s': 90_000, '500ms': 500, '1.5h': 5_400_000, '.5s': 500 };
  for (const [text, ms] of Object.entries(good)) t.equal(parseDuration(text), ms, text);
  for (const text of ['', '5', 's', '5 s', '-5s', '5sx', 'x']) t.equal(parseDuration(text), undefined, text);
});

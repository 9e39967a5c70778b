import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmdirSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { compileDeviceFilter } from '../../src/compile/device-filter.js';
import { probeHost } from '../../src/host/probe.js';
import { addon } from '../../src/native/addon.js';
import type { LinuxDeviceCgroup } from '../../src/spec/types.gen.js';
import { type DeviceAccess, runDeviceFilter } from '../helpers/ebpf.js';
import { needRoot, skipUnless } from '../helpers/host.js';

const BLOCK = 1;
const CHAR = 2;
const BITS = { m: 1, r: 2, w: 4 };
const RWM = 7;

/** The defaults of every runtime, written down a second time. */
const DEFAULTS: readonly LinuxDeviceCgroup[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 2],
    [10, 200],
    [136, -1],
  ].map(
    ([major = 0, minor = 0]): LinuxDeviceCgroup => ({
      allow: true,
      type: 'c',
      major: BigInt(major),
      minor: BigInt(minor),
      access: 'rwm',
    }),
  ),
];

/** Each requested bit by the last rule that says something about it; nothing said is no. */
function naive(rules: readonly LinuxDeviceCgroup[], asked: DeviceAccess): boolean {
  const letters = (Object.keys(BITS) as (keyof typeof BITS)[]).filter((letter) => asked.access & BITS[letter]);
  const wild = (value: bigint | undefined, is: number) => value === undefined || value === -1n || value === BigInt(is);
  return letters.every((letter) => {
    const speaking = [...rules, ...DEFAULTS].filter(({ type = 'a', major, minor, access = 'rwm' }) => {
      const sameType = type === 'a' || (type === 'b') === (asked.type === BLOCK);
      return sameType && wild(major, asked.major) && wild(minor, asked.minor) && access.includes(letter);
    });
    return speaking.at(-1)?.allow ?? false;
  });
}

function isAllowed(rules: readonly LinuxDeviceCgroup[], asked: DeviceAccess): boolean {
  const program = compileDeviceFilter(rules);
  return program === null || runDeviceFilter(program, asked) === 1;
}

const DENY_ALL: LinuxDeviceCgroup = { allow: false, access: 'rwm' };

t.test('compileDeviceFilter denies everything but the default devices when the config says nothing', async (t) => {
  for (const rules of [[], [DENY_ALL]]) {
    t.equal(isAllowed(rules, { type: CHAR, major: 1, minor: 3, access: RWM }), true, 'null');
    t.equal(isAllowed(rules, { type: CHAR, major: 136, minor: 77, access: RWM }), true, 'pts');
    t.equal(isAllowed(rules, { type: CHAR, major: 1, minor: 1, access: BITS.r }), false, 'mem');
    t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 0, access: BITS.r }), false, 'sda');
    t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 0, access: BITS.m }), true, 'mknod alone');
    t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 0, access: BITS.m | BITS.r }), false, 'mknod and read');
    t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 0, access: 0 }), true, 'access(2) with F_OK');
  }
});

t.test('compileDeviceFilter makes no program when the rules allow everything', async (t) => {
  t.equal(compileDeviceFilter([{ allow: true, access: 'rwm' }]), null);
  t.equal(compileDeviceFilter([DENY_ALL, { allow: true, type: 'a', major: -1n, minor: -1n, access: 'rwm' }]), null);
  t.equal(compileDeviceFilter([{ allow: true }, { allow: true, type: 'c', major: 9n, access: 'r' }]), null);
  t.not(compileDeviceFilter([{ allow: true }, { allow: false, type: 'b', access: 'w' }]), null);
  t.not(compileDeviceFilter([{ allow: true, access: 'rw' }]), null, 'not mknod');
  t.not(compileDeviceFilter([{ allow: true }, DENY_ALL]), null);
});

t.test('compileDeviceFilter lets later rules win, bit by bit', async (t) => {
  const rules: LinuxDeviceCgroup[] = [
    { allow: true, type: 'b', major: 8n, access: 'rwm' },
    { allow: false, type: 'b', major: 8n, minor: 1n, access: 'w' },
    { allow: true, type: 'u', major: 10n, minor: 229n, access: 'rw' },
    { allow: false, type: 'c', major: 0xffffffffn, access: 'rwm' },
  ];
  t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 1, access: BITS.r }), true);
  t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 1, access: BITS.r | BITS.w }), false);
  t.equal(isAllowed(rules, { type: BLOCK, major: 8, minor: 2, access: RWM }), true);
  t.equal(isAllowed(rules, { type: CHAR, major: 10, minor: 229, access: BITS.r | BITS.w }), true, 'u is c');
});

t.test('compileDeviceFilter emits these bytes for the default rules', async (t) => {
  const program = Buffer.from(compileDeviceFilter() ?? []);
  t.matchOnly(program.length % 8, 0);
  const words = program.toString('hex').match(/.{16}/g) ?? [];
  t.same(words.slice(0, 14), [
    '6112000000000000', // r2 = access << 16 | type
    'bc23000000000000', // r3 = r2
    '54020000ffff0000', // r2 &= 0xffff
    '7403000010000000', // r3 >>= 16
    '6114040000000000', // r4 = major
    '6115080000000000', // r5 = minor
    '5603020000000000', // no bit asked for?
    'b400000001000000',
    '9500000000000000',
    '5602040002000000', // 10:200
    '560403000a000000',
    '56050200c8000000',
    'b400000001000000',
    '9500000000000000',
  ]);
  t.same(words.slice(-2), ['b400000000000000', '9500000000000000'], 'the default denies');
});

const ruleArbitrary = fc.record(
  {
    allow: fc.boolean(),
    type: fc.constantFrom('a', 'b', 'c', 'u') as fc.Arbitrary<'a' | 'b' | 'c' | 'u'>,
    major: fc.constantFrom(-1n, 0n, 1n, 8n, 0xffffffffn),
    minor: fc.constantFrom(-1n, 0n, 3n, 5n),
    access: fc.constantFrom('r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm'),
  },
  { requiredKeys: ['allow'] },
);
const askedArbitrary = fc.record({
  type: fc.constantFrom(BLOCK, CHAR),
  major: fc.constantFrom(0, 1, 8, 136, 0xffffffff),
  minor: fc.constantFrom(0, 3, 5, 9),
  access: fc.integer({ min: 0, max: RWM }),
});

t.test('compileDeviceFilter agrees with the naive reading of the rules', async () => {
  fc.assert(
    fc.property(fc.array(ruleArbitrary, { maxLength: 8 }), fc.array(askedArbitrary, { minLength: 20 }), (rules, all) =>
      all.every((asked) => isAllowed(rules, asked) === naive(rules, asked)),
    ),
    { numRuns: 300 },
  );
});

t.test('the kernel verifier takes the programs of compileDeviceFilter', { skip: needRoot() }, async (t) => {
  const hard: LinuxDeviceCgroup[] = [
    { allow: true },
    { allow: false, type: 'b', access: 'w' },
    { allow: false, type: 'c', major: 0xffffffffn, minor: 4n, access: 'rm' },
  ];
  const many = Array.from({ length: 500 }, (_, i): LinuxDeviceCgroup => {
    return { allow: i % 3 > 0, type: i % 2 ? 'c' : 'b', major: BigInt(i), access: i % 5 ? 'rw' : 'rwm' };
  });
  for (const rules of [[], hard, many, [...fc.sample(ruleArbitrary, 30)]]) {
    const program = compileDeviceFilter(rules);
    if (program !== null) closeSync(addon().bpfLoadDevice(program));
  }
  t.pass();
});

const FORBIDDEN = ['/dev/kmsg', '/dev/mem', '/dev/vda', '/dev/sda'].find((path) => existsSync(path));
const noDevice = FORBIDDEN === undefined && 'no device to try';
const attachSkip = skipUnless(needRoot(), noDevice, probeHost().cgroup.mount === null && 'cgroup2 is not mounted');

t.test(
  'an attached program of compileDeviceFilter decides what opens in the cgroup',
  { skip: attachSkip },
  async (t) => {
    const directory = `${probeHost().cgroup.mount}/tsrun-test-devices-${process.pid}`;
    mkdirSync(directory);
    t.teardown(() => rmdirSync(directory));
    const cgroup = openSync(directory, 'r');
    const program = addon().bpfLoadDevice(compileDeviceFilter([DENY_ALL]) ?? new Uint8Array(0));
    addon().bpfAttachDevice(program, cgroup, 0);
    closeSync(program);
    closeSync(cgroup);
    const script = `echo $$ > ${directory}/cgroup.procs; cat /dev/null && echo null; head -c1 ${FORBIDDEN} && echo read`;
    const shell = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    t.match(shell.stdout, /^null$/m);
    t.match(shell.stderr, /Operation not permitted/);
    t.notMatch(shell.stdout, /read/);
  },
);

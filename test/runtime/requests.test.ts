/** runtime: what the flags of exec, kill and the console options come to, without running anything. */
import t from 'tap';
import { checkConsole } from '../../src/runtime/console.js';
import { changeProcess, type ProcessChanges, readUser } from '../../src/runtime/exec-process.js';
import { readSignal } from '../../src/runtime/kill.js';
import type { Process } from '../../src/spec/types.gen.js';

const BASE: Process = {
  terminal: true,
  user: { uid: 5, gid: 6, additionalGids: [7] },
  args: ['sh'],
  env: ['PATH=/bin'],
  cwd: '/work',
  capabilities: {
    bounding: ['CAP_KILL'],
    effective: ['CAP_KILL'],
    permitted: ['CAP_KILL'],
    inheritable: ['CAP_SYS_CHROOT'],
    ambient: [],
  },
};

const NOTHING: ProcessChanges = {
  args: ['ls'], cwd: undefined, env: [], tty: false, user: undefined, additionalGids: [], processLabel: undefined,
  apparmor: undefined, noNewPrivs: false, capabilities: [],
}; // biome-ignore format: fields

t.test('changeProcess starts from the container process and never has a terminal unless asked', async (t) => {
  t.strictSame(changeProcess(BASE, NOTHING), { ...BASE, args: ['ls'], terminal: false });
  t.throws(() => changeProcess(BASE, { ...NOTHING, args: [] }), { message: 'exec args cannot be empty' });
  t.match(
    changeProcess(BASE, {
      ...NOTHING,
      tty: true,
      cwd: '/x',
      env: ['A=1'],
      apparmor: 'p',
      processLabel: 'l',
      noNewPrivs: true,
    }),
    {
      terminal: true,
      cwd: '/x',
      env: ['PATH=/bin', 'A=1'],
      apparmorProfile: 'p',
      selinuxLabel: 'l',
      noNewPrivileges: true,
    },
  );
  t.equal(BASE.args?.[0], 'sh', 'the base is left as it was');
});

t.test('changeProcess changes user and groups, and only as written', async (t) => {
  t.strictSame(changeProcess(BASE, { ...NOTHING, user: '1000' }).user, { uid: 1000, gid: 6, additionalGids: [7] });
  t.strictSame(changeProcess(BASE, { ...NOTHING, user: '0:0', additionalGids: ['8'] }).user, {
    uid: 0,
    gid: 0,
    additionalGids: [7, 8],
  });
  t.throws(() => changeProcess(BASE, { ...NOTHING, additionalGids: ['-1'] }), {
    message: /additional-gids must be a positive number/,
  });
});

t.test('readUser never takes anything for uid 0 that is not 0 (CVE-2026-30892)', async (t) => {
  t.strictSame(readUser('1'), { uid: 1 });
  t.strictSame(readUser('1:2'), { uid: 1, gid: 2 });
  t.strictSame(readUser('0'), { uid: 0 });
  t.strictSame(readUser('4294967294'), { uid: 4294967294 });
  const refused = [
    '01',
    '1:',
    ':1',
    ' 1',
    '1 ',
    '1x',
    '',
    '4294967295',
    '4294967296',
    '99999999999',
    '-1',
    '+1',
    'root',
    'a:b:c',
    '1:2:3',
    '0x0',
    '1e0',
    '１',
  ];
  for (const text of refused)
    t.throws(() => readUser(text), { code: 'USAGE', message: /^--user: / }, JSON.stringify(text));
  t.throws(() => readUser('x'), { message: /bad uid "x"/ });
  t.throws(() => readUser('1:x'), { message: /bad gid "x"/ });
});

t.test('changeProcess adds capabilities to a process that has none', async (t) => {
  const { capabilities: _, ...bare } = BASE;
  const { capabilities } = changeProcess(bare, { ...NOTHING, capabilities: ['KILL'] });
  const kill = ['CAP_KILL'];
  t.strictSame(capabilities, { bounding: kill, effective: kill, permitted: kill });
});

t.test('changeProcess adds capabilities, never to inheritable (CVE-2022-29162)', async (t) => {
  const { capabilities } = changeProcess(BASE, { ...NOTHING, capabilities: ['CAP_NET_RAW', 'sys_chroot', 'CAP_KILL'] });
  const added = ['CAP_KILL', 'CAP_NET_RAW', 'CAP_SYS_CHROOT'];
  t.strictSame(capabilities, {
    bounding: added,
    effective: added,
    permitted: added,
    inheritable: ['CAP_SYS_CHROOT'],
    ambient: ['CAP_SYS_CHROOT'],
  });
  t.throws(() => changeProcess(BASE, { ...NOTHING, capabilities: ['CAP_FOO'] }), {
    message: /--cap: unknown capability "CAP_FOO"/,
  });
});

t.test('readSignal explains the dash', async (t) => {
  t.equal(readSignal('SIGKILL'), 9);
  t.throws(() => readSignal('SIGFOO'), { message: 'unknown signal "SIGFOO"' });
  t.throws(() => readSignal('-9'), { message: 'unknown signal "-9"', code: 'USAGE' });
});

t.test('checkConsole has the rules of runc', async (t) => {
  const ok = [
    { terminal: false, detach: true, socket: undefined },
    { terminal: false, detach: false, socket: undefined },
    { terminal: true, detach: false, socket: undefined },
    { terminal: true, detach: true, socket: `/${'s'.repeat(106)}` },
  ];
  for (const request of ok) t.doesNotThrow(() => checkConsole(request), JSON.stringify(request));
  t.throws(() => checkConsole({ terminal: true, detach: true, socket: undefined }), {
    message: /cannot allocate tty if tsrun will detach without setting console socket/,
  });
  for (const request of [
    { terminal: false, detach: true },
    { terminal: true, detach: false },
    { terminal: false, detach: false },
  ]) {
    t.throws(() => checkConsole({ ...request, socket: '/s' }), {
      message: /cannot use console socket if tsrun will not detach or allocate tty/,
    });
  }
  t.throws(() => checkConsole({ terminal: true, detach: true, socket: `/${'s'.repeat(107)}` }), {
    message: /longer than 107 bytes/,
  });
});

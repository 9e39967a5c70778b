// What a security module refuses, and what to do about it: src/exec/lsm-hints.ts.
import t from 'tap';
import { explainRefusal } from '../../src/exec/explain.js';
import type { Op } from '../../src/plan/op.gen.js';
import { pointer } from '../../src/util/pointer.js';
import { create, ops } from '../compile/compiling.js';
import { hostFacts } from '../helpers/facts.js';

const EINVAL = 22;
const EACCES = 13;
const origin = pointer('process', 'selinuxLabel');
const hint = (op: Op | undefined, errno: number) => explainRefusal({ op, errno, syscall: 'write' }, hostFacts());

t.test('explainRefusal tells a label that the policy does not know from one that it does not give away', async (t) => {
  for (const op of ['SELINUX_EXEC', 'SELINUX_KEYS'] as const) {
    t.match(hint({ op, label: 'a:b:c', origin }, EINVAL), 'does not know this label');
    t.match(hint({ op, label: 'a:b:c', origin }, EACCES), 'does not let the runtime');
  }
});

t.test('explainRefusal names the label where a file system refuses its options, if it has one', async (t) => {
  const mounted = (linux: object) => {
    const mounts = [{ destination: '/own', type: 'tmpfs', source: 'tmpfs' }];
    const facts = { lsm: { apparmor: false, selinux: true } };
    return ops(create({ mounts, linux }, { facts }), 'MOUNT_FS').find(({ dest }) => dest === '/own');
  };
  t.match(hint(mounted({ mountLabel: 'a:b:c' }), EINVAL), 'linux.mountLabel');
  t.notMatch(hint(mounted({}), EINVAL), 'SELinux');
});

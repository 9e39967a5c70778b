import t from 'tap';
import { diffPlans, diffToJson, printDiff } from '../../src/plan/diff.js';
import { explainPlan } from '../../src/plan/explain.js';
import type { Op } from '../../src/plan/op.gen.js';
import { NO_OPS, type Plan } from '../../src/plan/plan.js';
import { asPointer } from '../../src/util/pointer.js';

const origin = asPointer('/x');
const plan = (...init: Op[]): Plan => ({ stateJson: '{}', lists: { ...NO_OPS, init } });
const mask = (path: string, at = '/x'): Op => ({ op: 'MASK_PATH', path, label: '', origin: asPointer(at) });
const sysctl = (path: string, value: string): Op => ({ op: 'SYSCTL', path, value, origin });
const diff = (a: Plan, b: Plan): string => printDiff(diffPlans(a, b, ['/bundle/a', '/bundle/b']));
const HEAD = 'init: the new process, on its way into the container\n';

t.test('diffPlans finds what is added and removed, whatever the index of its field', async (t) => {
  const before = plan(mask('/a', '/m/0'), mask('/b', '/m/1'));
  t.equal(diff(before, plan(mask('/c', '/m/0'), mask('/a', '/m/1'), mask('/b', '/m/2'))), `${HEAD}+ mask /c  ← /m/0\n`);
  t.equal(diff(before, plan(mask('/b', '/m/0'))), `${HEAD}- mask /a  ← /m/0\n`);
  t.equal(diff(before, before), 'no differences\n');
});

t.test('diffPlans makes one change of an op on the same subject', async (t) => {
  const [a, b] = [plan(sysctl('net/a', '1'), mask('/a')), plan(mask('/a'), sysctl('net/a', '2'))];
  t.equal(diff(a, b), `${HEAD}- set sysctl net/a to 1  ← /x\n+ set sysctl net/a to 2  ← /x\n`);
  t.match(diffToJson(diffPlans(a, b, ['', ''])), [
    { change: 'changed', before: { value: '1' }, after: { value: '2' } },
  ]);
});

t.test(
  'diffPlans takes paths below the two bundles for the same, and sees filters of equal length that differ',
  async (t) => {
    const rootfs = (path: string): Op => ({ op: 'OPEN_ROOTFS', path, slot: 0xffffffff, origin });
    t.equal(diff(plan(rootfs('/bundle/a/rootfs')), plan(rootfs('/bundle/b/rootfs'))), 'no differences\n');
    const filter = (byte: number): Op => ({ op: 'SECCOMP', flags: 0, filter: new Uint8Array(8).fill(byte), origin });
    t.match(
      diff(plan(filter(1)), plan(filter(2))),
      /\n\+ load a seccomp filter \(1 instructions\), other filter {2}← \/x\n$/,
    );
  },
);

t.test('explainPlan gives each reason once in a phase and numbers the phases', async (t) => {
  t.equal(
    explainPlan(plan(mask('/a', '/linux/maskedPaths/0'), mask('/b', '/linux/maskedPaths/1'), sysctl('net/a', '1'))),
    [
      '1. Hide and protect',
      '   (the new process, on its way into the container)',
      '   What /proc and /sys tell about the whole machine is hidden or made read-only.',
      '',
      `   ${'mask /a'.padEnd(72)}  ← /linux/maskedPaths/0`,
      '       What is in there is about the whole machine, or leads to its memory.',
      `   ${'mask /b'.padEnd(72)}  ← /linux/maskedPaths/1`,
      `   ${'set sysctl net/a to 1'.padEnd(72)}  ← /x`,
      '       Kernel parameters of its own namespaces a container may choose.',
      '',
    ].join('\n'),
  );
});

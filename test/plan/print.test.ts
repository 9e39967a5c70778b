import fc from 'fast-check';
import t from 'tap';
import { capabilityWords, mountAttrWords, namespaceWords, propagationWord } from '../../src/plan/names.js';
import { OP_SHAPES, type Op, type OpName, SLOT } from '../../src/plan/op.gen.js';
import { NO_OPS, type Plan } from '../../src/plan/plan.js';
import { planToJson, printPlan } from '../../src/plan/print.js';
import { opText } from '../../src/plan/text.js';
import { MOUNT_ATTR, MS } from '../../src/util/kernel.js';
import { asPointer } from '../../src/util/pointer.js';
import { anyPlan, opOf } from './arbitrary.js';

const origin = asPointer('/mounts/3');
const plan = (...init: Op[]): Plan => ({ stateJson: '{}', lists: { ...NO_OPS, init } });

t.test('opText says something on one line about any op', (t) => {
  for (const name of Object.keys(OP_SHAPES) as OpName[]) {
    fc.assert(
      fc.property(opOf(name), (op) => {
        const text = opText(op);
        t.match(text, /^[^\n\r\0-\u001f]+$/, name);
      }),
      { numRuns: 20 },
    );
  }
  t.end();
});

t.test('printPlan shows lists with who runs them, aligned, with the field each op comes from', (t) => {
  const text = printPlan(
    plan(
      { op: 'HOSTNAME', name: 'box', origin },
      { op: 'SYSCTL', path: 'net/ipv4/ip_forward', value: '1', origin: asPointer('/linux/sysctl/net.ipv4.ip_forward') },
      { op: 'WAIT_START', origin: asPointer('') },
    ),
  );
  t.equal(
    text,
    [
      'init: the new process, on its way into the container',
      '  set the host name box                 ← /mounts/3',
      '  set sysctl net/ipv4/ip_forward to 1   ← /linux/sysctl/net.ipv4.ip_forward',
      '  wait for start',
      '',
    ]
      .join('\n')
      .replaceAll('   ←', '  ←'),
  );
  t.end();
});

t.test('printPlan shows slots by name and quotes what is not one word', (t) => {
  t.equal(
    opText({ op: 'CGROUP_REMOVE', hierarchy: 0, mount: '/m', path: `/a/${SLOT.id}`, origin }),
    'remove cgroup /a/<id>',
  );
  t.equal(opText({ op: 'HOSTNAME', name: 'a\nb', origin }), 'set the host name "a\\nb"');
  t.equal(opText({ op: 'EXEC', args: ['sh', '-c', 'a "b"', ''], env: [], origin }), 'execute sh -c "a \\"b\\"" ""');
  t.end();
});

t.test('flags are printed by name', (t) => {
  t.same(mountAttrWords(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOATIME, MOUNT_ATTR._ATIME), ['ro', 'noatime']);
  t.same(mountAttrWords(0n, MOUNT_ATTR._ATIME | MOUNT_ATTR.NOEXEC), ['exec', 'relatime']);
  t.equal(propagationWord(MS.SLAVE | MS.REC), 'rslave');
  t.equal(namespaceWords(0x2002_0000n), 'mount, pid');
  t.equal(capabilityWords(0n), 'none');
  t.equal(capabilityWords((1n << 41n) - 1n), 'all');
  t.equal(capabilityWords(1n | (1n << 50n)), 'CHOWN, 0x4000000000000', 'a bit without a name is not hidden');
  t.end();
});

t.test('planToJson gives JSON for any plan', (t) => {
  fc.assert(
    fc.property(anyPlan, (plan) => {
      t.type(JSON.stringify(planToJson(plan)), 'string');
    }),
    { numRuns: 50 },
  );
  const json = planToJson(plan({ op: 'BOUNDING_SET', mask: 5n, origin })) as { lists: { init: unknown[] } };
  t.same(json.lists.init[0], {
    op: 'BOUNDING_SET',
    mask: '5',
    origin: '/mounts/3',
    text: 'bounding capabilities: CHOWN, DAC_READ_SEARCH',
    why: 'Capabilities that are not in this set can never be had again.',
  });
  t.end();
});

// The part of the suite that a host without the controllers of cgroup v2 cannot show, on a kernel with systemd and all of
// them. The whole suite there is a matter of `npm run conformance:results`.
import { join } from 'node:path';
import t from 'tap';
import { needQemu, skipUnless } from '../helpers/host.js';
import { REPO } from '../helpers/runtime.js';
import { MINUTES, needRuntime, suite } from './helper.js';

t.setTimeout(MINUTES * 60_000);
process.env['CONFORMANCE_DEADLINE'] = '120';

/** A dozen: QEMU takes some seconds for each. */
const PART = ['limits.memory.limit', 'limits.pids', 'limits.cpu.quota', 'limits.hugetlb', 'unified.'].flatMap(
  (text) => ['--filter', text],
);

const RUNTIMES = [
  { name: 'tsrun', program: join(REPO, 'bin/tsrun'), expected: 'tsrun', skip: false },
  { name: 'runc', program: 'runc', expected: 'runc-1.1.5', skip: needRuntime('runc', '1.1.5') },
  { name: 'crun', program: 'crun', expected: 'crun-1.8.1', skip: needRuntime('crun', '1.8.1') },
] as const;

for (const { name, program, expected, skip } of RUNTIMES) {
  t.test(`${name} and the limits of cgroup v2`, { skip: skipUnless(needQemu(), skip) }, async (t) => {
    const { status, stderr } = suite(program, expected, PART);
    t.equal(status, 0, stderr);
    t.match(stderr, /^\d+ passed, [0-3] failed, 0 skipped/m, 'and it was not all skipped');
  });
}

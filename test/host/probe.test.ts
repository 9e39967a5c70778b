import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { probeHost } from '../../src/host/probe.js';

t.test('probeHost says what this machine is, twice the same', async (t) => {
  const facts = probeHost();
  t.same(probeHost(), facts, 'facts are a key of the plan cache');
  t.ok(facts.kernel[0] >= 5);
  t.equal(facts.euid, process.geteuid?.());
  t.ok(facts.namespaces.includes('mount'));
  t.ok(facts.lastCap >= 37);
  t.equal(facts.cgroup.mount !== null, / - cgroup2 /.test(readFileSync('/proc/self/mountinfo', 'utf8')));
  t.equal(facts.seccomp.enabled, existsSync('/proc/sys/kernel/seccomp/actions_avail'));
  t.match(facts.seccomp.libseccomp, /^2\.\d+\.\d+$/);
  t.ok(facts.seccomp.flags.includes('SECCOMP_FILTER_FLAG_LOG'));
  t.equal(facts.mountApi.idmap, true, 'every kernel from 5.14 on has it');
  t.type(facts.hardLimits['RLIMIT_NOFILE'], 'bigint');
});

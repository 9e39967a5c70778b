// The conformance suite on tsrun and, in the versions of which we know what they do otherwise, on Debian's runc and crun.
import { join } from 'node:path';
import t from 'tap';
import { needRoot, skipUnless } from '../helpers/host.js';
import { REPO } from '../helpers/runtime.js';
import { MINUTES, needRuntime, suite } from './helper.js';

t.setTimeout(MINUTES * 60_000);

t.test('tsrun passes every case but those that are recorded', { skip: needRoot() }, async (t) => {
  const { status, stderr } = suite(join(REPO, 'bin/tsrun'), 'tsrun');
  t.equal(status, 0, stderr);
});

const runc = skipUnless(needRoot(), needRuntime('runc', '1.1.5'));
t.test('runc fails the cases that are recorded, and no others', { skip: runc }, async (t) => {
  const { status, stderr } = suite('runc', 'runc-1.1.5');
  t.equal(status, 0, stderr);
});

const crun = skipUnless(needRoot(), needRuntime('crun', '1.8.1'));
t.test('crun fails the cases that are recorded, and no others', { skip: crun }, async (t) => {
  const { status, stderr } = suite('crun', 'crun-1.8.1', ['--cgroup2-only']);
  t.equal(status, 0, stderr);
});

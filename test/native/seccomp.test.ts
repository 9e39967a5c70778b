import t from 'tap';
import { compileWithLibseccomp } from '../../src/native/seccomp.js';
import type { SeccompRequest } from '../../src/util/seccomp.js';

const ERRNO_EPERM = 0x00050001;
const ALLOW = 0x7fff0000;
const request = (name: string): SeccompRequest => ({
  defaultAction: ERRNO_EPERM,
  architectures: [0],
  rules: [{ name, action: ALLOW, conditions: [] }],
  names: [name],
  binaryTree: false,
});

t.test('compileWithLibseccomp gives the same answer to the same question, and another one to another', async (t) => {
  const first = compileWithLibseccomp(request('read'));
  t.equal(compileWithLibseccomp(request('read')), first, 'kept');
  t.notSame(compileWithLibseccomp(request('write')), first);
  for (let i = 0; i < 20; i++) compileWithLibseccomp({ ...request('read'), defaultAction: ERRNO_EPERM + i + 1 });
  t.not(compileWithLibseccomp(request('read')), first, 'forgotten after many others');
  t.same(compileWithLibseccomp(request('read')), first);
});

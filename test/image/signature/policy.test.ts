// image/signature/policy: which requirements hold for a name, and files that must not pass for a policy.
import t from 'tap';
import { parsePolicy, requirementsFor } from '../../../src/image/signature/policy.js';
import { parseReference } from '../../../src/registry/reference.js';
import { json } from '../making.js';

const ACCEPT = [{ type: 'insecureAcceptAnything' }];
const REJECT = [{ type: 'reject' }];

t.test('the most special scope counts', async (t) => {
  const docker = {
    'docker.io': REJECT,
    'docker.io/library': ACCEPT,
    'registry.example:5000/team/app': ACCEPT,
    'registry.example:5000/team/app:bad': REJECT,
    '*.example.org': ACCEPT,
  };
  const policy = parsePolicy(json({ default: REJECT, transports: { docker } }), 'p');
  for (const [name, type] of [
    ['busybox:1', 'insecureAcceptAnything'],
    ['me/app:1', 'reject'],
    ['registry.example:5000/team/app:1', 'insecureAcceptAnything'],
    ['registry.example:5000/team/app/sub:1', 'insecureAcceptAnything'],
    ['registry.example:5000/team/app:bad', 'reject'],
    ['registry.example:5000/team/application:1', 'reject'],
    ['registry.example/team/app:1', 'reject'],
    ['a.b.example.org/x:1', 'insecureAcceptAnything'],
    ['example.org/x:1', 'reject'],
  ] as const)
    t.strictSame(requirementsFor(policy, parseReference(name)), [{ type }], name);
});

t.test('what cannot be checked, or is misspelt, is refused with its place', async (t) => {
  for (const [document, reason] of [
    ['{', /not JSON/],
    [{}, /"default" is missing/],
    [{ default: [] }, /accepts nothing/],
    [{ default: ACCEPT, transport: {} }, /"transport" is not known/],
    [{ default: [{ type: 'signedBy', keyType: 'GPGKeys' }] }, /"signedBy" cannot be checked/],
    [{ default: [{ type: 'sigstoreSigned' }] }, /has no key/],
    [{ default: [{ type: 'sigstoreSigned', fulcio: {} }] }, /"fulcio" is not known/],
    [{ default: [{ type: 'sigstoreSigned', keyData: 'AAAA' }] }, /no public key/],
    [{ default: [{ type: 'reject', keyPath: 'x' }] }, /"keyPath" is not known/],
    [
      { default: ACCEPT, transports: { docker: { x: [{ type: 'sigstoreSigned', keyPath: '/nonexist' }] } } },
      /nonexist/,
    ],
  ] as const)
    t.throws(() => parsePolicy(typeof document === 'string' ? Buffer.from(document) : json(document), 'p'), reason);
});

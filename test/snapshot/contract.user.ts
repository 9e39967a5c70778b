// The contract of overlayfs as root of a user namespace: a program of its own, which prints TAP. What the copying driver
// has to do with user namespaces the containers of test/integration/image-rootless.test.ts show.
import t from 'tap';
import { overlayDriver } from '../../src/snapshot/overlay.js';
import { contract } from './contract.js';

t.setTimeout(0);
t.test('overlay', (t) => {
  t.setTimeout(0);
  contract(t, overlayDriver, false);
  t.end();
});

// The drivers of snapshots against their contract.
import t from 'tap';
import { copyDriver } from '../../src/snapshot/copy.js';
import { overlayDriver } from '../../src/snapshot/overlay.js';
import { canOverlay } from '../../src/snapshot/overlay-support.js';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';
import { contract } from '../snapshot/contract.js';

const skip = skipUnless(
  needRoot(),
  needCommand('setfattr', 'attr'),
  needCommand('setcap', 'libcap2-bin'),
  needCommand('zstd', 'zstd'),
  needCommand('python3', 'python3'),
);

t.test('overlay', (t) => {
  contract(t, overlayDriver, skip || (canOverlay('/tmp') ? false : 'overlayfs cannot be used on /tmp'));
  t.end();
});

t.test('copy', (t) => {
  contract(t, copyDriver, skip);
  t.end();
});

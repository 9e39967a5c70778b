/** state/stdio: what the executor recorded of the first process' descriptors. */
import t from 'tap';
import { parseStdio } from '../../src/state/stdio.js';

function record(...modes: readonly number[]): Buffer {
  const bytes = Buffer.alloc(112);
  bytes.write('TSRRUN2');
  for (const [fd, mode] of modes.entries()) {
    bytes.writeBigUInt64LE(35n, 40 + fd * 24);
    bytes.writeBigUInt64LE(BigInt(fd) + 100n, 48 + fd * 24);
    bytes.writeUInt32LE(mode, 56 + fd * 24);
  }
  return bytes;
}

t.test('parseStdio tells files, pipes and others apart', async (t) => {
  t.same(parseStdio(record(0o100644, 0o010600, 0o020620)), [
    { kind: 'file', mountId: 35n, inode: 100n },
    { kind: 'pipe', mountId: 35n, inode: 101n },
    { kind: 'other', mountId: 35n, inode: 102n },
  ]);
});

t.test('parseStdio takes no record of another build or length', async (t) => {
  const other = record();
  other.write('TSRRUN1');
  t.equal(parseStdio(other), undefined);
  t.equal(parseStdio(record().subarray(0, 40)), undefined);
});

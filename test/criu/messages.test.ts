// The messages of criu swrk, by the bytes that protocol buffers make of them.
import t from 'tap';
import { decodeResponse, encodeRequest, REQUEST } from '../../src/criu/messages.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

t.test('encodeRequest numbers the options as rpc.proto does', (t) => {
  const options = { imagesDirectory: 101, pid: 7, leaveRunning: true, logFile: 'dump.log', cgroupMode: 3 };
  // type 1; options: 1 101, 2 7, 3 true, 10 "dump.log", 34 3
  t.equal(hex(encodeRequest({ type: REQUEST.DUMP, options })), `08011213086510071801${'5208'}64756d702e6c6f67900203`);
  const pairs = {
    imagesDirectory: 1,
    externalMounts: [{ key: '/a', value: '/b' }],
    inheritFds: [{ key: 'pipe:[1]', fd: 2 }],
    cgroupRoots: [{ controller: '', path: '/c' }],
  };
  const encoded = hex(encodeRequest({ type: REQUEST.RESTORE, options: pairs }));
  t.match(encoded, /^0802/);
  t.ok(encoded.includes('ba01080a022f6112022f62'), 'field 23: key 1, val 2');
  t.ok(encoded.includes('da010c0a08706970653a5b315d1002'), 'field 27: key 1, fd 2');
  t.ok(encoded.includes('ca01060a0012022f63'), 'field 25: ctrl 1, path 2');
  t.end();
});

t.test('encodeRequest answers a notification and asks for features', (t) => {
  t.equal(hex(encodeRequest({ type: REQUEST.NOTIFY, success: true })), '08061801');
  t.equal(hex(encodeRequest({ type: REQUEST.NOTIFY, success: false })), '08061800');
  t.equal(hex(encodeRequest({ type: REQUEST.FEATURE_CHECK })), '08092a0408011001');
  t.end();
});

t.test('decodeResponse reads what CRIU sends and passes over what it does not know', (t) => {
  t.strictSame(decodeResponse(bytes('0802 1001 2202 082a')), { type: 2, success: true, pid: 42 });
  const notify = { type: 6, success: true, notify: { script: 'post-restore', pid: 9 } };
  t.strictSame(
    decodeResponse(bytes(`0806 1001 2a10 0a0c ${Buffer.from('post-restore').toString('hex')} 1009`)),
    notify,
  );
  t.strictSame(decodeResponse(bytes('0801 1000 3811 4a02 6e6f')), { type: 1, success: false, errno: 17, error: 'no' });
  const features = { memoryTracking: true, lazyPages: false };
  t.strictSame(decodeResponse(bytes('0809 1001 4202 0801')), { type: 9, success: true, features });
  t.strictSame(decodeResponse(bytes('0801 1001 f81f 07')), { type: 1, success: true });
  t.end();
});

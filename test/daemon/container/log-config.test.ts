import t from 'tap';
import {
  checkLogConfig,
  compressedLog,
  extraAttributes,
  logPlace,
  monitorLog,
} from '../../../src/daemon/container/log-config.js';
import { type ContainerRecord, CREATED } from '../../../src/daemon/container/record.js';
import type { Digest } from '../../../src/util/digest.js';

const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;

function record(Type: string, Config: { [name: string]: string } = {}): ContainerRecord {
  return {
    ...{ id: 'abcdef0123456789', name: 'web', created: '', restartCount: 0, stoppedByUser: false, starts: 0 },
    image: { reference: 'busybox:1', id: DIGEST, manifest: DIGEST },
    config: { Labels: { team: 'a', other: 'b' }, Env: ['MODE=x=y', 'HOME=/'] },
    hostConfig: { LogConfig: { Type, Config } },
    ...{ networks: {}, endpoints: {}, mounts: [], state: CREATED },
  };
}

t.test('logs are bounded when nobody says otherwise, and unbounded on request alone', async (t) => {
  t.match(monitorLog(record('json-file'), '/c'), {
    json: '/c/abcdef0123456789/abcdef0123456789-json.log',
    maxSize: 20_000_000,
    maxFiles: 5,
  });
  t.match(monitorLog(record('json-file', { 'max-size': '-1', 'max-file': '1' }), '/c'), { maxSize: 0, maxFiles: 1 });
  t.match(monitorLog(record('local', { 'max-size': '1.5k' }), '/c'), { local: /container\.log$/, maxSize: 1500 });
  t.equal(monitorLog(record('none'), '/c'), undefined);
  t.equal(logPlace(record('none'), '/c'), undefined);
});

t.test('checkLogConfig refuses drivers and options that there are not, by name', async (t) => {
  const cases: [string, { [name: string]: string }, RegExp][] = [
    ['fluentd', {}, /no log driver named "fluentd" is registered/],
    ['json-file', { nosuch: '1' }, /unknown log opt "nosuch" for json-file log driver/],
    ['json-file', { 'max-size': 'big' }, /invalid log opt max-size "big"/],
    ['local', { 'max-file': '0' }, /invalid log opt max-file "0"/],
    ['local', { labels: 'a' }, /unknown log opt "labels" for local log driver/],
    ['json-file', { compress: 'perhaps' }, /invalid log opt compress "perhaps"/],
    ['json-file', { compress: 'true', 'max-file': '1' }, /compress cannot be true when max-file is less than 2/],
    ['local', { compress: 'true', 'max-size': '-1' }, /compress cannot be true when max-file is less than 2/],
    ['json-file', { mode: 'async' }, /logging mode not supported: async/],
    ['none', { 'max-buffer-size': '4m' }, /only supported with 'mode=non-blocking'/],
    ['local', { mode: 'non-blocking', 'max-buffer-size': 'big' }, /invalid log opt max-buffer-size "big"/],
  ];
  for (const [Type, Config, message] of cases)
    t.throws(() => checkLogConfig({ Type, Config }), { status: 400, message });
  t.doesNotThrow(() => checkLogConfig({ Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3', tag: 'x' } }));
});

t.test('compressedLog: on request, and of the driver local by default where there is more than one file', async (t) => {
  const json = { path: '/c/abcdef0123456789/abcdef0123456789-json.log', files: 5 };
  t.same(compressedLog(record('json-file', { compress: 'true' }), '/c'), json);
  t.equal(compressedLog(record('json-file'), '/c'), undefined);
  t.match(compressedLog(record('local', { 'max-file': '3' }), '/c'), { path: /container\.log$/, files: 3 });
  for (const options of [{ compress: 'false' }, { 'max-file': '1' }, { 'max-size': '-1' }] as const)
    t.equal(compressedLog(record('local', options), '/c'), undefined);
  for (const type of ['journald', 'none']) t.equal(compressedLog(record(type), '/c'), undefined);
});

t.test('monitorLog: mode=non-blocking has a buffer, of 1 MB or as many bytes as asked for', async (t) => {
  t.match(monitorLog(record('json-file'), '/c'), { bufferSize: 0 });
  t.match(monitorLog(record('local', { mode: 'non-blocking' }), '/c'), { bufferSize: 1_000_000 });
  const options = { mode: 'non-blocking', 'max-buffer-size': '4m' };
  t.match(monitorLog(record('json-file', options), '/c'), { bufferSize: 4 * 1024 * 1024 });
});

t.test('extraAttributes: labels and variables that the options name, and the tag', async (t) => {
  const options = { labels: 'team', 'env-regex': '^MO', tag: '{{.Name}}/{{.ID}}/{{.Nosuch}}' };
  t.same(extraAttributes(record('json-file', options)), {
    team: 'a',
    MODE: 'x=y',
    tag: 'web/abcdef012345/{{.Nosuch}}',
  });
  t.same(extraAttributes(record('json-file', { 'labels-regex': '(' })), {}, 'a pattern that is none matches nothing');
});

/** util: errno, quoting, signals, tables, times, host files. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TsrunError } from '../../src/errors.js';
import { formatDuration } from '../../src/util/duration.js';
import { describeErrno, describeSystemError, errnoOf, errnoText } from '../../src/util/errno.js';
import { readHostFile } from '../../src/util/file.js';
import { documentName, formatIssue } from '../../src/util/issue.js';
import { asPointer } from '../../src/util/pointer.js';
import { escapeControls, plain, quote, quoteName } from '../../src/util/quote.js';
import { rfc3339 } from '../../src/util/rfc3339.js';
import { parseSignal } from '../../src/util/signals.js';
import { formatTable } from '../../src/util/tabwriter.js';

t.test('describeErrno gives the name and the text that engines search for', async (t) => {
  t.equal(describeErrno(1), 'EPERM (operation not permitted)');
  t.equal(errnoText(2), 'no such file or directory');
  t.equal(errnoText(17), 'file exists');
  t.equal(describeErrno(4000), 'errno 4000 (unknown error)');
  t.equal(errnoOf('EACCES'), 13);
  t.equal(errnoOf('ENOTHING'), undefined);
  t.equal(describeSystemError(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT (no such file or directory)');
  t.equal(describeSystemError(new Error('plain')), 'plain');
});

t.test('quote lets no text end the line, move the cursor or pass for a sentence of an engine', async (t) => {
  t.equal(quote('a"b\\c'), '"a\\"b\\\\c"');
  t.equal(quote('two\nlines\u001b[2J'), '"two\\nlines\\u001b[2J"');
  t.equal(quote('\u202eevil'), '"\\u202eevil"');
  t.equal(quote('permission denied'), '"permission\\u0020denied"');
  t.equal(quote('x: No Such File or directory'), '"x: No\\u0020Such\\u0020File\\u0020or\\u0020directory"');
  t.equal(
    quote('no such process already finished'),
    '"no\\u0020such\\u0020process\\u0020already\\u0020finished"',
    'two sentences that share a word',
  );
  t.equal(quote('an ordinary text'), '"an ordinary text"');
  t.equal(quote('x'.repeat(300), 10), `"${'x'.repeat(10)}…"`);
  t.equal(quoteName("it's"), "'it\\'s'");
  t.equal(plain('/a\tb'), '/a\\tb');
  t.equal(escapeControls('\u0000\u007f\u2028'), '\\u0000\\u007f\\u2028');
});

t.test('parseSignal takes names with and without SIG, numbers and real-time offsets', async (t) => {
  const known: { readonly [text: string]: number } = {
    TERM: 15, SIGTERM: 15, sigkill: 9, '9': 9, '15': 15, HUP: 1, USR1: 10, CHLD: 17, IOT: 6, POLL: 29, '64': 64,
    'SIGRTMIN+3': 37, RTMIN: 34, 'RTMAX-1': 63, RTMAX: 64, WINCH: 28,
    '0': 0, SYS: 31,
  }; // biome-ignore format: a table
  for (const [text, number] of Object.entries(known)) t.equal(parseSignal(text), number, text);
  const unknown = [
    '65',
    '-1',
    '-9',
    'SIGFOO',
    '9x',
    'RTMIN+40',
    'RTMAX-31',
    '',
    ' 9',
    '0x9',
    '1e1',
    'constructor',
    'SIGSIGTERM',
  ];
  for (const text of unknown) t.equal(parseSignal(text), undefined, JSON.stringify(text));
});

t.test('formatTable pads cells as Go tabwriter does: at least 12 wide, 3 apart, the last unpadded', async (t) => {
  const text = formatTable([
    ['ID', 'PID', 'OWNER'],
    ['a-rather-long-id', '7', 'root'],
  ]);
  t.equal(text, 'ID                 PID         OWNER\na-rather-long-id   7           root\n');
});

t.test('rfc3339 is UTC with whole seconds', async (t) => {
  t.equal(rfc3339(new Date(Date.UTC(2026, 10, 22, 1, 2, 3, 456))), '2026-11-22T01:02:03Z');
});

t.test('formatIssue names the field, the place in the file and the value', async (t) => {
  const issue = {
    code: 'NOT_ABSOLUTE' as const,
    path: asPointer('/mounts/3/destination'),
    message: 'must be an absolute path',
  };
  t.equal(formatIssue(issue, 'config.json'), '/mounts/3/destination (config.json): must be an absolute path');
  t.equal(
    formatIssue({ ...issue, value: '"proc"', line: 12, column: 7 }, 'config.json'),
    '/mounts/3/destination (config.json:12:7): must be an absolute path (got "proc")',
  );
  t.equal(
    formatIssue({ code: 'NOT_ABSOLUTE' as const, path: asPointer(''), message: 'no object' }, 'config.json'),
    'config.json: no object',
  );
  t.equal(documentName('process.json: 3 problems'), 'process.json');
});

t.test('readHostFile reads regular files within its bound and nothing else', async (t) => {
  const dir = t.testdir({ small: 'text', big: 'x'.repeat(100) });
  t.equal(readHostFile(join(dir, 'small'), 'config.json', { max: 100 }).toString(), 'text');
  t.equal(readHostFile(join(dir, 'big'), 'config.json', { max: 100 }).length, 100);
  t.throws(() => readHostFile(join(dir, 'big'), 'config.json', { max: 99 }), { message: /larger than 99 bytes/ });
  t.throws(() => readHostFile(join(dir, 'none'), 'config.json', { max: 1 }), { code: 'IO', message: /ENOENT/ });
  mkdirSync(join(dir, 'directory'));
  t.throws(() => readHostFile(join(dir, 'directory'), 'config.json', { max: 1 }), { message: /not a regular file/ });
  t.throws(() => readHostFile('/dev/zero', 'config.json', { max: 10 }), { message: /not a regular file/ });
  symlinkSync('small', join(dir, 'link'));
  t.equal(readHostFile(join(dir, 'link'), 'x', { max: 10 }).length, 4);
  t.throws(() => readHostFile(join(dir, 'link'), 'x', { max: 10, nofollow: true }), { message: /ELOOP/ });
  writeFileSync(join(dir, 'empty'), '');
  t.equal(readHostFile(join(dir, 'empty'), 'x', { max: 10 }).length, 0);
  t.throws(() => readHostFile('/proc/self/environ/x', 'x', { max: 1 }), TsrunError);
});

t.test('readHostFile waits for what is written to a pipe only where one is allowed', async (t) => {
  const fifo = join(t.testdir({}), 'fifo');
  execFileSync('mkfifo', [fifo]);
  t.throws(() => readHostFile(fifo, 'config.json', { max: 10 }), { message: /not a regular file/ });
  for (const text of ['late', 'far too long']) {
    const writer = spawn('sh', ['-c', 'sleep 0.2; printf "%s" "$0" >"$1"', text, fifo]);
    const read = () => readHostFile(fifo, '--process', { max: 10, pipe: true }).toString();
    if (text.length <= 10) t.equal(read(), text);
    else t.throws(read, { message: /larger than 10 bytes/ });
    await once(writer, 'exit');
  }
});

t.test('formatDuration() writes what Go does', async (t) => {
  const all = { 0: '0s', 50: '50ms', 1500: '1.5s', 30000: '30s', 90000: '1m30s', 3600000: '1h0m0s' };
  for (const [ms, text] of Object.entries(all)) t.equal(formatDuration(Number(ms)), text);
});

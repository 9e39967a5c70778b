// The conformance suite on tsrun and, in the version of which we know what it does otherwise, on Debian's runc.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { needCommand, needRoot, type Skip, skipUnless } from '../helpers/host.js';
import { REPO } from '../helpers/runtime.js';

const MINUTES = 30;
t.setTimeout(MINUTES * 60_000);

function suite(runtime: string, expected: string) {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-conformance-'));
  const file = join(REPO, 'conformance/expected', `${expected}.json`);
  const args = [
    'scripts/conformance.mjs',
    '--runtime',
    runtime,
    '--expected',
    file,
    '--output',
    join(directory, 'tap'),
  ];
  try {
    return spawnSync(process.execPath, args, { cwd: REPO, encoding: 'utf8', timeout: MINUTES * 60_000 });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function needVersion(name: string, version: string): Skip {
  const { stdout = '' } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  return stdout?.includes(`version ${version}`) ? false : `no ${name} ${version}`;
}

t.test('tsrun passes every case but those that are recorded', { skip: needRoot() }, async (t) => {
  const { status, stderr } = suite(join(REPO, 'bin/tsrun'), 'tsrun');
  t.equal(status, 0, stderr);
});

const alone = process.env['TSRUN_CONFORMANCE'] === 'own' ? 'takes its time: npm test -- conformance' : false;
const runc = skipUnless(alone, needRoot(), needCommand('runc'), needVersion('runc', '1.1.5'));
t.test('runc fails the cases that are recorded, and no others', { skip: runc }, async (t) => {
  const { status, stderr } = suite('runc', 'runc-1.1.5');
  t.equal(status, 0, stderr);
});

// The suite's own test: every mutant of a good runtime must be caught by a case that names what it breaks.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import t from 'tap';
import { runMutants } from '../../conformance/mutants/run.js';
import { needRoot } from '../helpers/host.js';
import { REPO } from '../helpers/runtime.js';

t.setTimeout(30 * 60_000);

t.test('no mutant lives', { skip: needRoot() }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-mutants-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const wrapper = join(directory, 'wrapper.cjs');
  await build({
    ...{ absWorkingDir: REPO, entryPoints: ['conformance/mutants/wrapper.ts'], outfile: wrapper },
    ...{ bundle: true, platform: 'node', format: 'cjs', target: 'node20', logLevel: 'warning' },
  });
  const results = await runMutants({
    ...{ runtime: join(REPO, 'bin/tsrun'), wrapper, probe: join(REPO, 'build/Release/conformance-probe') },
    ...{ 'global-args': '--root {root}', jobs: '4' },
  });
  for (const { name, breaks, caught, detail } of results) t.ok(caught, `${name} breaks ${breaks}: ${caught ?? detail}`);
});

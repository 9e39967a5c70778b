// npm test: nearly everything, from a bare clone: packages, dependencies, build, checks, unit and golden tests, C tests,
// integration, engines, images, daemon, conformance, limits, systems. A level that cannot run here is skipped with its reason.
// Options: names of levels (checks unit native integration engines images daemon conformance limits systems); none means all.
// The last line is always the totals.
import { ensureDependencies } from './lib/dependencies.mjs';
import { captureAsync, fail, run } from './lib/run.mjs';

const LEVELS = [
  'checks',
  'unit',
  'native',
  'integration',
  'engines',
  'images',
  'daemon',
  'conformance',
  'limits',
  'systems',
];
const chosen = process.argv.slice(2);
for (const name of chosen) if (!LEVELS.includes(name)) fail(`test: unknown level '${name}': ${LEVELS.join(', ')}`, 2);
const wants = (name) => chosen.length === 0 || chosen.includes(name);

const isRoot = process.getuid() === 0;
/** Set for the process that startSystems() makes. */
if (process.env['TSRUN_TEST_PREPARED'] !== '1') prepare();

const levels = await import('./lib/levels.mjs');
const { vmMissing } = await import('./vm.mjs');
const sum = levels.newTally();
const add = (tally) => levels.addTally(sum, tally);
const aside = wants('systems') && LEVELS.filter(wants).length > 1 ? startSystems() : undefined;
if (wants('checks')) add(await levels.staticChecks());
if (wants('unit')) add(await levels.unitTests());
if (wants('native')) add(await levels.nativeTests());
for (const name of ['integration', 'engines', 'images', 'daemon']) {
  if (!wants(name)) continue;
  add(isRoot ? await levels.levelTests(name, { timeout: 600 }) : levels.skipLevel(name, 'needs root'));
}
if (wants('conformance'))
  add(
    isRoot ? await levels.levelTests('conformance', { timeout: 1800 }) : levels.skipLevel('conformance', 'needs root'),
  );
if (wants('limits')) {
  const missing = vmMissing();
  add(missing ? levels.skipLevel('limits', missing) : await levels.levelTests('limits', { timeout: 600 }));
}
if (aside) add(await finishSystems(aside));
else if (wants('systems')) {
  const missing = vmMissing('qemu');
  add(missing ? levels.skipLevel('systems', missing) : await levels.systemTests());
}

process.exitCode = sum.failed === 0 ? 0 : 1;
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`);

/** The QEMU kernel keeps one processor busy, and so do most other tests: side by side they take little more than half. */
function startSystems() {
  const env = { ...process.env, TSRUN_TEST_PREPARED: '1' };
  return captureAsync(process.execPath, ['scripts/test.mjs', 'systems'], { env, timeout: 50 * 60_000 });
}

/** Its output, and the totals of its last line. */
async function finishSystems(running) {
  const { output } = await running;
  const totals = /\n(\d+) passed, (\d+) failed, (\d+) skipped\n*$/.exec(output);
  process.stdout.write(totals ? output.slice(0, totals.index) : `${output}\nthe level systems ended without totals\n`);
  const [passed, failed, skipped] = totals ? totals.slice(1).map(Number) : [0, 1, 0];
  return { passed, failed, skipped };
}

function prepare() {
  bootstrap();
  ensureDependencies();
  if (run(process.execPath, ['scripts/build.mjs', ...(wants('native') ? ['--tests'] : [])]) === 0) return;
  process.stdout.write('\nthe build failed\n0 passed, 1 failed, 0 skipped\n');
  process.exit(1);
}

function bootstrap() {
  const groups = ['build'];
  const needsRootfs = ['integration', 'engines', 'images', 'daemon', 'limits', 'systems'].some(wants);
  if (needsRootfs) groups.push('rootfs', 'tools');
  if (wants('engines') || wants('daemon') || wants('conformance')) groups.push('engines');
  if (wants('images')) groups.push('images');
  if (wants('daemon')) groups.push('daemon');
  if (wants('limits')) groups.push('vm');
  if (wants('systems')) groups.push('qemu');
  if (run('sh', ['scripts/bootstrap.sh', ...groups]) !== 0) {
    process.stdout.write('\n0 passed, 1 failed, 0 skipped\n');
    process.exit(1);
  }
}

// npm test: everything, from a bare clone: packages, dependencies, build, checks, unit and golden tests, C tests,
// integration, engines, limits, systems. A level that cannot run here is skipped with its reason. Options: names of levels
// (checks unit native integration engines limits systems); none means all. The last line is always the totals.
import { ensureDependencies } from './lib/dependencies.mjs';
import { fail, run } from './lib/run.mjs';

const LEVELS = ['checks', 'unit', 'native', 'integration', 'engines', 'limits', 'systems'];
const chosen = process.argv.slice(2);
for (const name of chosen) if (!LEVELS.includes(name)) fail(`test: unknown level '${name}': ${LEVELS.join(', ')}`, 2);
const wants = (name) => chosen.length === 0 || chosen.includes(name);

const isRoot = process.getuid() === 0;
bootstrap();
ensureDependencies();
if (run(process.execPath, ['scripts/build.mjs', ...(wants('native') ? ['--tests'] : [])]) !== 0) {
  process.stdout.write('\nthe build failed\n0 passed, 1 failed, 0 skipped\n');
  process.exit(1);
}

const levels = await import('./lib/levels.mjs');
const { vmMissing } = await import('./vm.mjs');
const sum = levels.newTally();
const add = (tally) => levels.addTally(sum, tally);
if (wants('checks')) add(levels.staticChecks());
if (wants('unit')) add(await levels.unitTests());
if (wants('native')) add(await levels.nativeTests());
for (const name of ['integration', 'engines']) {
  if (!wants(name)) continue;
  add(isRoot ? await levels.levelTests(name, { timeout: 600 }) : levels.skipLevel(name, 'needs root'));
}
if (wants('limits')) {
  const missing = vmMissing();
  add(missing ? levels.skipLevel('limits', missing) : await levels.levelTests('limits', { timeout: 600 }));
}
if (wants('systems')) {
  const missing = vmMissing('qemu');
  add(missing ? levels.skipLevel('systems', missing) : await levels.systemTests());
}

process.exitCode = sum.failed === 0 ? 0 : 1;
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`);

function bootstrap() {
  const groups = ['build'];
  if (wants('integration') || wants('engines') || wants('limits') || wants('systems')) groups.push('rootfs', 'tools');
  if (wants('engines')) groups.push('engines');
  if (wants('limits')) groups.push('vm');
  if (wants('systems')) groups.push('qemu');
  if (run('sh', ['scripts/bootstrap.sh', ...groups]) !== 0) {
    process.stdout.write('\n0 passed, 1 failed, 0 skipped\n');
    process.exit(1);
  }
}

// npm run ok: everything that can be checked without root, in under a minute. Run it before each commit.
//   --fix   also mends what can be mended: formatting, import order, generated files
import { ensureDependencies } from './lib/dependencies.mjs';
import { green, red } from './lib/run.mjs';

ensureDependencies();
const { runChecks } = await import('./lib/levels.mjs');
const failed = await runChecks({ fix: process.argv.includes('--fix') });
process.stdout.write(failed === 0 ? `${green('ok')}\n` : `${red(`${failed} failed`)}\n`);
process.exitCode = failed === 0 ? 0 : 1;

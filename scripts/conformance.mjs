// npm run conformance: the suite of conformance/ on any OCI runtime; --help says how. It is bundled first where esbuild is
// there, which is always so in a clone; a published package has the bundle.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { bundleConformance } from './lib/conformance.mjs';
import { cleanEnv, fail, ROOT, run } from './lib/run.mjs';

const PROBE = join(ROOT, 'build/Release/conformance-probe');

const bundle = await bundleConformance();
if (!existsSync(PROBE) && run(process.execPath, ['scripts/build-native.mjs'], { env: cleanEnv() }) !== 0)
  fail('conformance: the probe could not be built');
const { main } = createRequire(import.meta.url)(bundle);
process.exitCode = await main(process.argv.slice(2), { probe: PROBE, runtime: join(ROOT, 'bin/tsrun') });

// Regenerates every *.gen.* file and the tables of docs/errors.md from schemas/. `npm run ok` fails when this changes anything.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from './lib/run.mjs';

for (const script of ['scripts/gen-plan.mjs', 'scripts/gen-spec.mjs', 'scripts/gen-errors.mjs']) {
  if (!existsSync(join(ROOT, script))) continue;
  const status = run(process.execPath, [script]);
  if (status !== 0) process.exit(status);
}

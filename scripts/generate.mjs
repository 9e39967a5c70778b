// Regenerates every *.gen.* file, the tables of docs/errors.md and docs/docker-compat.md from schemas/. `npm run ok` fails
// when this changes anything.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from './lib/run.mjs';

const SCRIPTS = ['gen-plan.mjs', 'gen-spec.mjs', 'gen-errors.mjs', 'gen-docker-compat.mjs'];

for (const script of SCRIPTS.map((name) => `scripts/${name}`)) {
  if (!existsSync(join(ROOT, script))) continue;
  const status = run(process.execPath, [script]);
  if (status !== 0) process.exit(status);
}

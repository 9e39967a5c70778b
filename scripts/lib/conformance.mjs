// The bundle of the conformance suite: dist/conformance.cjs, which knows nothing of tsrun.
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ROOT } from './run.mjs';

const BUNDLE = join(ROOT, 'dist/conformance.cjs');

/** Its path. Without esbuild, or in a read-only tree (as in npm run vm), the one that is there is taken. */
export async function bundleConformance() {
  const esbuild = isWritable() ? await import('esbuild').catch(() => undefined) : undefined;
  if (esbuild)
    await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: ['conformance/main.ts'],
      outfile: 'dist/conformance.cjs',
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      legalComments: 'none',
      logLevel: 'warning',
    });
  else if (!existsSync(BUNDLE)) fail('conformance: neither dist/conformance.cjs nor esbuild is there: run npm ci');
  return BUNDLE;
}

function isWritable() {
  try {
    accessSync(ROOT, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

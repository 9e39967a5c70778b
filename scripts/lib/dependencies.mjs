// Whether node_modules holds what package-lock.json says, and installing it when it does not.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ROOT, run } from './run.mjs';

/** Compares with npm's own hidden lockfile; optional packages are for other machines or may have failed. */
export function dependenciesAreCurrent() {
  const wanted = readLock('package-lock.json');
  const present = readLock('node_modules/.package-lock.json');
  if (!wanted || !present) return false;
  return Object.entries(wanted.packages).every(
    ([path, { version, optional }]) => path === '' || optional || present.packages[path]?.version === version,
  );
}

export function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  process.stdout.write('node_modules is missing or older than package-lock.json: npm ci\n');
  const status = run('npm', ['ci', '--no-audit', '--no-fund']);
  if (status !== 0) fail('npm ci failed: see its output above', status);
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
  } catch {
    return undefined;
  }
}

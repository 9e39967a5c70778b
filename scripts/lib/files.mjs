// Listing and reading the files that the checks and the test runner look at.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { ROOT } from './run.mjs';

const SKIP = new Set(['node_modules', 'build', 'dist', '.git', '.tap', 'corpus', 'golden']);

/** Paths below these directories of the repository, relative to it, whose name ends in one of the suffixes. */
export function listFiles(directories, suffixes) {
  const found = [];
  const walk = (directory) => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        if (!SKIP.has(entry.name)) walk(path);
      } else if (suffixes.some((suffix) => entry.name.endsWith(suffix))) {
        found.push(relative(ROOT, path));
      }
    }
  };
  for (const directory of directories) {
    if (existsSync(join(ROOT, directory))) walk(join(ROOT, directory));
  }
  return found.sort();
}

export function readText(path) {
  return readFileSync(join(ROOT, path), 'utf8');
}

const parsed = new Map();

/** A source file of TypeScript or JavaScript, parsed once for all checks. */
export function parseSource(path) {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const file = ts.createSourceFile(path, readText(path), ts.ScriptTarget.Latest, true);
  parsed.set(path, file);
  return file;
}

export function isGenerated(path) {
  return path.includes('.gen.');
}

// Generated files must be what the generators make of schemas/ today.
import { isGenerated, listFiles, readText } from '../files.mjs';
import { capture } from '../run.mjs';

export function checkDrift() {
  const before = generatedFiles();
  const made = capture(process.execPath, ['scripts/generate.mjs']);
  if (made.status !== 0) return [`scripts/generate.mjs failed: ${made.stderr.trim()}`];
  const after = generatedFiles();
  return [...after.keys()]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path}: was out of date (now regenerated)`);
}

function generatedFiles() {
  const paths = listFiles(['src', 'csrc', 'schemas', 'docs'], ['']).filter(
    (path) => isGenerated(path) || ['docs/errors.md', 'docs/docker-compat.md'].includes(path),
  );
  return new Map(paths.map((path) => [path, readText(path)]));
}

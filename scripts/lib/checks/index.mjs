// Every check that needs no built product: name, and a function that returns the list of offenders.

import { isGenerated, listFiles } from '../files.mjs';
import { capture, captureAsync, hasCommand, ROOT } from '../run.mjs';
import { checkBudgets } from './budget.mjs';
import { checkDrift } from './drift.mjs';
import { checkConformanceImports, checkImports, checkRootfsAccess } from './imports.mjs';
import { checkStatus } from './status.mjs';

const BIN = `${ROOT}/node_modules/.bin`;

/**
 * Each returns { offenders, advice?, skipped? }, or a promise. Drift goes first: the others read what it regenerates. The
 * compiler, which takes longest and one processor, is begun with the next one and waited for at the end.
 */
export function checks({ fix = false } = {}) {
  let types;
  const begin = () => {
    types = compileTypes();
  };
  return [
    { name: 'generated files', run: () => ({ offenders: checkDrift() }) },
    { name: 'biome', run: () => begin() ?? biome(fix) },
    { name: 'clang-format', run: () => clangFormat(fix) },
    { name: 'no conflict markers', run: conflictMarkers },
    { name: 'size budgets', run: checkBudgets },
    { name: 'import table', run: () => ({ offenders: [...checkImports(), ...checkConformanceImports()] }) },
    { name: 'rows of STATUS.md', run: () => ({ offenders: checkStatus() }) },
    { name: 'no fs below a rootfs', run: () => ({ offenders: checkRootfsAccess() }) },
    { name: 'types', run: () => types },
  ];
}

async function compileTypes() {
  const options = ['--pretty', 'false'];
  const { status, output } = await captureAsync(`${BIN}/tsc`, options);
  return { offenders: status === 0 ? [] : output.trim().split('\n') };
}

/** A rebase that was continued too early; no compiler reads shell scripts and documents. */
function conflictMarkers() {
  const { stdout } = capture('git', ['grep', '-nE', '^(<<<<<<<|>>>>>>>) ']);
  return { offenders: stdout.trim() === '' ? [] : stdout.trim().split('\n') };
}

/** The reporter for GitHub prints one line for each finding: ::error title=RULE,file=PATH,line=N,…::TEXT */
function biome(fix) {
  const args = ['check', '--reporter=github', '--colors=off', '--max-diagnostics=200', ...(fix ? ['--write'] : [])];
  const { status, stdout, stderr } = capture(`${BIN}/biome`, args);
  const findings = [...stdout.matchAll(/^::(error|warning) title=([^,]*),file=([^,]*),line=(\d+).*?::(.*)$/gm)];
  const text = ([, , rule, file, line, message]) => `${file}:${line}: ${rule}: ${message}`;
  const offenders = findings.filter((found) => found[1] === 'error').map(text);
  if (status !== 0 && offenders.length === 0) offenders.push(stderr.trim());
  return { offenders, advice: findings.filter((found) => found[1] === 'warning').map(text) };
}

function clangFormat(fix) {
  if (!hasCommand('clang-format')) return { offenders: [], skipped: 'clang-format is not installed' };
  const files = listFiles(['csrc'], ['.c', '.h', '.cc']).filter((path) => !isGenerated(path));
  if (files.length === 0) return { offenders: [] };
  const { stderr } = capture('clang-format', [
    ...(fix ? ['-i'] : ['--dry-run', '-Werror', '--ferror-limit=1']),
    ...files,
  ]);
  return { offenders: [...new Set(stderr.match(/^[^:\n]+(?=:\d+:\d+: error)/gm) ?? [])] };
}

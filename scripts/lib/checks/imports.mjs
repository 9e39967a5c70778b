// Who may import whom: the table of ARCHITECTURE.md, which is read here. Everybody may import util and errors. Also: spec, compile and plan
// are pure (no fs, no process, no clock), and nobody touches paths below a rootfs with node's fs.
import ts from 'typescript';
import { isGenerated, listFiles, parseSource, readText } from '../files.mjs';

/** Rows of the table: | `module` | what | spec, types of host |, the last one with "nothing of ours" for none. */
const ROW = /^\| `(\w+)` \|[^|]*\| ([^|]+) \|$/gm;
const TABLE = {
  ...Object.fromEntries([...readText('ARCHITECTURE.md').matchAll(ROW)].map(([, name, cell]) => [name, allowed(cell)])),
  util: [],
  'main.ts': ['cli'],
  'errors.ts': [],
};
const PURE = new Set(['spec', 'plan', 'compile']);
const IMPURE_MODULES = /^node:(fs|child_process|os|process|net|http|https|dgram|worker_threads|timers|perf_hooks|vm)\b/;
// In these modules `process` is mostly the spec's: only what node's has and the spec's has not is meant.
const IMPURE_NAMES =
  /\bprocess\.(cwd\(|exit|argv|platform|pid\b|gete?uid|stdout|stderr|hrtime|nextTick|kill\()|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\./;

/** "type x": only `import type` from x. */
function allowed(cell) {
  if (cell === 'nothing of ours') return [];
  return cell.split(', ').map((name) => name.replace(/^types of /, 'type '));
}

export function checkImports() {
  const offenders = [];
  for (const path of listFiles(['src'], ['.ts'])) {
    const text = readText(path);
    const module = moduleOf(path);
    if (!(module in TABLE)) offenders.push(`${path}: module '${module}' is not in the import table`);
    for (const found of importsOf(path)) checkImport(path, module, found, offenders);
    if (PURE.has(module) && !isGenerated(path)) checkPurity(path, text, offenders);
  }
  return offenders;
}

/** The conformance suite runs on any runtime and must not know ours: it is by itself. */
export function checkConformanceImports() {
  const offenders = [];
  for (const path of listFiles(['conformance'], ['.ts'])) {
    if (path.endsWith('.test.ts')) continue;
    for (const { from, line } of importsOf(path, readText(path))) {
      const own = from.startsWith('node:') || new URL(from, `file:///${path}`).pathname.startsWith('/conformance/');
      if (!own) offenders.push(`${path}:${line}: the conformance suite imports ${from}, may import: itself and node`);
    }
  }
  return offenders;
}

function moduleOf(path) {
  return path.split('/')[1];
}

function checkImport(path, module, { from, typeOnly, line }, offenders) {
  if (PURE.has(module) && IMPURE_MODULES.test(from))
    offenders.push(`${path}:${line}: ${module} is pure, imports ${from}`);
  if (!from.startsWith('.')) return;
  const target = new URL(from, `file:///${path}`).pathname.slice(1);
  const other = moduleOf(target).replace(/\.js$/, '.ts');
  if (other === module || other === 'util' || other === 'errors.ts') return;
  const names = TABLE[module] ?? [];
  if (names.includes(other) || (typeOnly && names.includes(`type ${other}`))) return;
  const how = typeOnly ? 'imports types of' : 'imports';
  offenders.push(`${path}:${line}: ${module} ${how} ${other}, may import: ${names.join(', ') || 'nothing of ours'}`);
}

function importsOf(path) {
  const file = parseSource(path);
  const found = [];
  const add = (node, specifier, typeOnly) => {
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push({ from: specifier.text, typeOnly, line });
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, node.importClause?.isTypeOnly === true);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node, node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node)) add(node, node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      if (ts.isStringLiteral(node.arguments[0])) add(node, node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function checkPurity(path, text, offenders) {
  codeLines(text).forEach((line, index) => {
    if (IMPURE_NAMES.test(line)) offenders.push(`${path}:${index + 1}: not pure: ${line.trim()}`);
  });
}

const FS_CALL =
  /\b(?:fs\.)?(?:open|readFile|writeFile|stat|lstat|mkdir|rm|rmdir|unlink|symlink|readlink|readdir|chmod|chown|realpath|rename|copyFile|access|exists)(?:Sync)?\(([^)]*)/;

/** A path below a rootfs is the container's to change while we look: only the executor's openat2 may resolve it. */
export function checkRootfsAccess() {
  const offenders = [];
  for (const path of listFiles(['src'], ['.ts'])) {
    codeLines(readText(path)).forEach((line, index) => {
      const call = FS_CALL.exec(line);
      if (call && /rootfs|rootFs|containerPath/.test(call[1])) offenders.push(`${path}:${index + 1}: ${line.trim()}`);
    });
  }
  return offenders;
}

/** The lines of a file with comments blanked. */
function codeLines(text) {
  const blank = (comment) => comment.replace(/[^\n]/g, ' ');
  return text
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/(^|\s)\/\/.*$/gm, '$1')
    .split('\n');
}

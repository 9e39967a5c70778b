// Who may import whom: the table of ARCHITECTURE.md. Everybody may import util and errors. Also: spec, compile and plan
// are pure (no fs, no process, no clock), and nobody touches paths below a rootfs with node's fs.
import ts from 'typescript';
import { isGenerated, listFiles, readText } from '../files.mjs';

const LAYERS = ['image', 'registry', 'snapshot', 'network', 'volume', 'build'];
const RUNTIME = ['spec', 'host', 'compile', 'plan', 'exec', 'state', 'native', 'runtime'];
/** "type x": only `import type` from x. */
const TABLE = {
  util: [],
  spec: [],
  plan: [],
  registry: [],
  native: ['type compile'], // what compile asks to be given: src/compile/services.ts
  host: ['native'],
  state: ['native'],
  network: ['native', 'type spec'],
  volume: ['native', 'type spec'],
  compile: ['spec', 'plan', 'type host'],
  exec: ['plan', 'native', 'type host'],
  runtime: ['spec', 'host', 'compile', 'plan', 'exec', 'state', 'native'],
  image: ['registry'],
  snapshot: ['image', 'native'],
  build: ['image', 'snapshot', 'runtime'],
  shim: ['runtime'],
  daemon: ['runtime', ...LAYERS],
  compose: ['daemon'],
  cli: [...RUNTIME, ...LAYERS, 'shim', 'daemon', 'compose'],
  'main.ts': ['cli'],
  'errors.ts': [],
};
const PURE = new Set(['spec', 'plan', 'compile']);
const IMPURE_MODULES = /^node:(fs|child_process|os|process|net|http|https|dgram|worker_threads|timers|perf_hooks|vm)\b/;
// In these modules `process` is mostly the spec's: only what node's has and the spec's has not is meant.
const IMPURE_NAMES =
  /\bprocess\.(cwd\(|exit|argv|platform|pid\b|gete?uid|stdout|stderr|hrtime|nextTick|kill\()|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\./;

export function checkImports() {
  const offenders = [];
  for (const path of listFiles(['src'], ['.ts'])) {
    const text = readText(path);
    const module = moduleOf(path);
    if (!(module in TABLE)) offenders.push(`${path}: module '${module}' is not in the import table`);
    for (const found of importsOf(path, text)) checkImport(path, module, found, offenders);
    if (PURE.has(module) && !isGenerated(path)) checkPurity(path, text, offenders);
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
  const allowed = TABLE[module] ?? [];
  if (allowed.includes(other) || (typeOnly && allowed.includes(`type ${other}`))) return;
  const how = typeOnly ? 'imports types of' : 'imports';
  offenders.push(`${path}:${line}: ${module} ${how} ${other}, may import: ${allowed.join(', ') || 'nothing of ours'}`);
}

function importsOf(path, text) {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
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

// The size budgets of the house style: TypeScript 300 lines a file and 60 a function, C 400 and 60, nesting 3 (advice).
// Generated files are exempt; test files may be longer, because few large ones start faster than many small ones.
import ts from 'typescript';
import { isGenerated, listFiles, parseSource, readText } from '../files.mjs';

const FUNCTION_LIMIT = 60;
const NESTING_ADVICE = 3;

export function checkBudgets() {
  const offenders = [];
  const advice = [];
  for (const path of listFiles(['src', 'test', 'scripts', 'bench', 'conformance'], ['.ts', '.mjs'])) {
    if (!isGenerated(path)) checkTypeScript(path, offenders, advice);
  }
  for (const path of listFiles(['csrc'], ['.c', '.h', '.cc'])) {
    if (!isGenerated(path)) checkC(path, offenders);
  }
  return { offenders, advice };
}

function checkTypeScript(path, offenders, advice) {
  const text = readText(path);
  const limit = /^(test|conformance)\//.test(path) ? 600 : 300;
  checkLength(path, text, limit, offenders);
  const file = parseSource(path);
  const lineOf = (position) => file.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node, depth) => {
    let inner = depth;
    if (ts.isFunctionLike(node) && node.body) {
      inner = 0;
      const first = lineOf(node.getStart());
      const length = lineOf(node.end) - first + 1;
      if (length > FUNCTION_LIMIT && !isTestBody(node)) {
        offenders.push(`${path}:${first}: function ${nameOf(node)} has ${length} lines, limit ${FUNCTION_LIMIT}`);
      }
    } else if (nests(node)) {
      inner = depth + 1;
      if (inner === NESTING_ADVICE + 1)
        advice.push(`${path}:${lineOf(node.getStart())}: nested deeper than ${NESTING_ADVICE}`);
    }
    ts.forEachChild(node, (child) => visit(child, inner));
  };
  visit(file, 0);
}

/** t.test('…', () => …): a list of tests, not a function. */
function isTestBody(node) {
  return ts.isCallExpression(node.parent) && /^\w+\.test$/.test(node.parent.expression.getText());
}

function nests(node) {
  const elseIf = ts.isIfStatement(node) && ts.isIfStatement(node.parent) && node.parent.elseStatement === node;
  return (
    (ts.isIfStatement(node) && !elseIf) ||
    ts.isIterationStatement(node, false) ||
    ts.isSwitchStatement(node) ||
    ts.isTryStatement(node)
  );
}

function nameOf(node) {
  const named = node.name ?? node.parent?.name;
  return named?.getText?.() ?? '(anonymous)';
}

/** Kernel style: a function's braces stand alone in the first column. */
function checkC(path, offenders) {
  const text = readText(path);
  checkLength(path, text, 400, offenders);
  let open = 0;
  text.split('\n').forEach((line, index) => {
    if (line === '{') open = index + 1;
    if (line.startsWith('}') && open > 0) {
      const length = index + 1 - open + 1;
      if (length > FUNCTION_LIMIT)
        offenders.push(`${path}:${open}: function of ${length} lines, limit ${FUNCTION_LIMIT}`);
      open = 0;
    }
  });
}

function checkLength(path, text, limit, offenders) {
  const lines = text.split('\n').length - 1;
  if (lines > limit) offenders.push(`${path}: ${lines} lines, limit ${limit}`);
}

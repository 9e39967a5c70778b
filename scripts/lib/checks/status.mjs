// conformance/STATUS.md: what each row says is shown by something that is there. A test is cited by its file, without
// ".test.ts", and words of its names, a case of the conformance suite likewise; golden and corpus cases by their folders, "*" for any letters; C tests by file.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { listFiles, parseSource, readText } from '../files.mjs';
import { ROOT } from '../run.mjs';

const STATUS = 'conformance/STATUS.md';
const FOLDERS = { golden: 'test/golden', corpus: 'test/corpus/config' };
/** Tables whose last column cites. */
const CITING = /^\| [^|]+ \| state \| shown by \|$/;
const CITATION = /^((?:test|conformance)\/[\w./-]+)((?:,? "[^"]+")+)$/;

export function checkStatus() {
  const offenders = [];
  let citing = false;
  readText(STATUS)
    .split('\n')
    .forEach((line, index) => {
      if (!line.startsWith('|')) citing = false;
      else if (CITING.test(line)) citing = true;
      else if (citing && !line.startsWith('|--')) {
        const found = checkRow(line);
        offenders.push(...found.map((problem) => `${STATUS}:${index + 1}: ${problem}`));
      }
    });
  return offenders;
}

function checkRow(line) {
  const cells = line.slice(1, -1).split(' | ');
  const [subject = '', state = '', cited = ''] = cells.map((cell) => cell.trim());
  if (cells.length !== 3) return [`${subject}: has ${cells.length} cells`];
  if (state === '' || cited === '') return [`${subject}: says nothing, or nothing shows it`];
  return cited.split('; ').flatMap((citation) => checkCitation(citation));
}

function checkCitation(citation) {
  const folder = /^(golden|corpus) (.+)$/.exec(citation);
  if (folder !== null) return checkFolders(FOLDERS[folder[1]], folder[2].split(', '));
  if (/^csrc\/test\/\w+$/.test(citation))
    return filesOf(citation, ['.c']).length > 0 ? [] : [`${citation}: no such file`];
  const test = CITATION.exec(citation);
  if (test === null)
    return [`"${citation}" is no citation: PATH "WORDS OF A TEST", golden NAME, corpus NAME, csrc/test/NAME`];
  return checkTests(
    test[1],
    [...test[2].matchAll(/"([^"]+)"/g)].map(([, words]) => words),
  );
}

function checkFolders(directory, names) {
  const all = readdirSync(join(ROOT, directory));
  const matches = (name) => {
    const pattern = new RegExp(`^${name.replaceAll('*', '.*')}$`);
    return all.some((folder) => pattern.test(folder));
  };
  return names.filter((name) => !matches(name)).map((name) => `${directory}/${name}: no such case`);
}

const filesOf = (path, endings) =>
  listFiles([path.slice(0, path.lastIndexOf('/'))], endings).filter((file) => file.startsWith(`${path}.`));

function checkTests(path, words) {
  const files = filesOf(path, [path.startsWith('test/') ? '.test.ts' : '.ts']);
  if (files.length === 0) return [`${path}: no such test file`];
  const texts = files.flatMap(textsOf);
  return words.filter((some) => !texts.some((text) => text.includes(some))).map((some) => `${path}: no test "${some}"`);
}

/** Names of tests, also those that a table has: all literals. */
function textsOf(path) {
  const texts = [];
  const visit = (node) => {
    if (ts.isStringLiteralLike(node)) texts.push(node.text);
    else if (ts.isTemplateExpression(node)) texts.push(node.getText());
    ts.forEachChild(node, visit);
  };
  visit(parseSource(path));
  return texts;
}

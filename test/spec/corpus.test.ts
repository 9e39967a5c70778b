// Bad documents as data: test/corpus/config/<nnn>-<name>/ holds the document (config.json, process.json, resources.json,
// or input.bin for what is no text) and expect.json: {"document", "ref", "issues": [{level, code, path, line}]}.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SpecError, type SpecIssue } from '../../src/errors.js';
import { readDocument } from '../../src/spec/read.js';
import { validateConfig, validateProcess, validateResources } from '../../src/spec/validate.js';

const CORPUS = new URL('../corpus/config/', import.meta.url).pathname;
const VALIDATORS = { config: validateConfig, process: validateProcess, resources: validateResources } as const;

interface Expectation {
  readonly document: keyof typeof VALIDATORS;
  readonly issues: readonly object[];
}

interface Outcome {
  readonly errors: readonly SpecIssue[];
  readonly warnings: readonly SpecIssue[];
}

function outcome(directory: string, document: keyof typeof VALIDATORS): Outcome {
  const binary = join(directory, 'input.bin');
  const file = existsSync(binary) ? binary : join(directory, `${document}.json`);
  try {
    const { warnings } = VALIDATORS[document](readDocument(readFileSync(file), `${document}.json`));
    return { errors: [], warnings };
  } catch (error) {
    if (error instanceof SpecError) return { errors: error.issues, warnings: [] };
    throw error;
  }
}

const brief =
  (level: string) =>
  ({ code, path, line }: SpecIssue) => ({ level, code, path, line });

function checkText(t: Test, issue: SpecIssue): void {
  const text = [issue.message, issue.value ?? '', issue.hint ?? ''].join(' ');
  t.notMatch(text, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/u, `${issue.code}: nothing a terminal acts on`);
  t.ok((issue.value ?? '').length <= 64 * 6 + 3, `${issue.code}: a short value`);
  t.not(issue.message.trim(), '', `${issue.code}: says why`);
}

for (const name of readdirSync(CORPUS).sort()) {
  const directory = join(CORPUS, name);
  const expected = JSON.parse(readFileSync(join(directory, 'expect.json'), 'utf8')) as Expectation;
  t.test(`${expected.document} ${name}: the issues, their paths and lines are those of expect.json`, async (t) => {
    const { errors, warnings } = outcome(directory, expected.document);
    t.same([...errors.map(brief('error')), ...warnings.map(brief('warning'))], expected.issues);
    for (const issue of [...errors, ...warnings]) checkText(t, issue);
    if (name.includes('-good-')) t.same(errors, []);
  });
}

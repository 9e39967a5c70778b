// The suite as data: ids, requirements, mutants and the coverage table hold together. It runs no container.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { REQUIREMENTS } from './cases/index.js';
import { printCoverage } from './harness/coverage.js';
import { compare } from './harness/expected.js';
import type { Result } from './harness/model.js';
import { ALL_CASES } from './main.js';
import { MUTANTS } from './mutants/index.js';

const twice = (names: readonly string[]): string[] => names.filter((name, index) => names.indexOf(name) < index);

t.test('ids of cases, requirements and mutants are there once', async (t) => {
  t.strictSame(twice(ALL_CASES.map(({ id }) => id)), []);
  t.strictSame(twice(REQUIREMENTS.map(({ id }) => id)), []);
  t.strictSame(twice(MUTANTS.map(({ name }) => name)), []);
  t.ok(ALL_CASES.length >= 300);
  t.ok(MUTANTS.length >= 40);
});

t.test('each case names a requirement, each requirement has a case or a reason why not', async (t) => {
  const shown = new Set(ALL_CASES.map(({ requirement }) => requirement));
  const known = new Map(REQUIREMENTS.map((one) => [one.id, one]));
  t.strictSame(
    [...shown].filter((id) => !known.has(id)),
    [],
  );
  for (const { id, uncovered } of REQUIREMENTS) t.equal(shown.has(id), uncovered === undefined, id);
});

t.test('the cases of each mutant have one of the requirement that it breaks', async (t) => {
  for (const { name, breaks, cases } of MUTANTS) {
    const able = ALL_CASES.filter(
      ({ id, requirement }) => requirement === breaks && cases.some((text) => id.includes(text)),
    );
    t.ok(able.length > 0, name);
  }
});

t.test('the coverage table is that of the cases: npm run conformance -- --coverage', async (t) => {
  const written = readFileSync(new URL('COVERAGE.md', import.meta.url), 'utf8');
  t.equal(written, printCoverage(REQUIREMENTS, ALL_CASES));
});

t.test('compare tells what fails and is not expected from what is expected and does not fail', async (t) => {
  const result = (id: string, status: Result['status']): Result => ({ id, status, requirement: '', detail: '' });
  const list = [
    { case: 'a.*', reason: '' },
    { case: 'b', reason: '' },
    { case: 'c', reason: '', on: 'v2' },
    { case: 'd', reason: '' },
    { case: '*b', reason: '', sometimes: true },
  ];
  const results = [result('a.x', 'failed'), result('b', 'passed'), result('c', 'failed'), result('d', 'skipped')];
  const { unexpected, stale } = compare(results, list, (on) => on === 'v1');
  t.strictSame(
    unexpected.map(({ id }) => id),
    ['c'],
  );
  t.strictSame(
    stale.map((entry) => entry.case),
    ['b'],
  );
});

// The catalogue of codes: what the sources emit, what docs/errors.md explains, what tests assert.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CODES } from '../src/util/error-codes.gen.js';

const ROOT = new URL('..', import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

function sources(directory: string, suffix: string): readonly string[] {
  return (readdirSync(join(ROOT, directory), { recursive: true }) as string[])
    .filter((name) => name.endsWith(suffix) && !name.includes('.gen.'))
    .map((name) => join(directory, name));
}

/** Calls that report a problem, fields of a written-out issue, and the reader's table. */
const EMITTED =
  /(?:\b(?:error|warn|issue|refuse|refusal)\(\s*(?:[\w.()]+,\s*)?|\bcode: |^ {2}(?:\w+|'[a-z-]+'): )'([A-Z][A-Z0-9_]+)'/gm;

const emitted = (paths: readonly string[]): readonly string[] => [
  ...new Set(paths.flatMap((path) => [...read(path).matchAll(EMITTED)].map(([, code = '']) => code))),
];

const documented = new Set([...read('docs/errors.md').matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(([, code]) => code));
const spec = emitted(sources('src/spec', '.ts'));

t.test('docs/errors.md has a line for every code of a problem that spec/ and compile/ report', async (t) => {
  t.ok(spec.length > 50, 'the codes are found');
  t.same(
    [...spec, ...emitted(sources('src/compile', '.ts'))].filter((code) => !documented.has(code)),
    [],
  );
});

t.test('every code of the catalogue that a document can meet comes up in the sources', async (t) => {
  const own = CODES.filter(({ group }) => !['error', 'problem'].includes(group)).map(({ code }) => code);
  const text = [...sources('src', '.ts')].map(read).join('\n');
  t.same(
    own.filter((code) => !text.includes(`'${code}'`)),
    [],
  );
});

t.test('every code of spec/ is asserted by the corpus or a unit test together with its path', async (t) => {
  const corpus = sources('test/corpus/config', 'expect.json').map(read).join('\n');
  const units = sources('test/spec', '.test.ts').map(read).join('\n');
  const isAsserted = (code: string): boolean =>
    corpus.includes(`"code":"${code}","path"`) || new RegExp(`code: '${code}', path|'${code}', /`).test(units);
  t.same(
    spec.filter((code) => !isAsserted(code)),
    [],
  );
});

// Validators made by ajv at build time, so that nothing is compiled and ajv is not loaded at run time.
import { _, Ajv } from 'ajv';
import { _Code } from 'ajv/dist/compile/codegen/code.js';
import standalone from 'ajv/dist/standalone/index.js';
import { transformSync } from 'esbuild';
import { INTEGERS } from './schemas.mjs';

/** { integer: [min, max] } takes numbers and bigints alike; comparing the two is exact in JavaScript. */
const integerKeyword = {
  keyword: 'integer',
  schemaType: 'array',
  error: { message: '', params: ({ schema: [min, max] }) => _`{min: ${min}, max: ${max}}` },
  code(cxt) {
    const { data } = cxt;
    const [min, max] = cxt.schema.map((digits) => new _Code(`${digits}n`));
    cxt.pass(
      _`(typeof ${data} == "bigint" || Number.isSafeInteger(${data})) && ${data} >= ${min} && ${data} <= ${max}`,
    );
  },
};

/** The same schema with `type: integer` and its range as our keyword, without prose. */
function forAjv(schema, most) {
  if (Array.isArray(schema)) return schema.map((item) => forAjv(item, most));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { description, title, $schema, ...rest } = schema;
  if (rest.type !== 'integer')
    return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, forAjv(value, most)]));
  const [min, max] = INTEGERS[rest.format];
  const within = (bound) => (bound > most ? most : bound < -most ? -most : bound);
  const integer = [String(rest.minimum ?? within(min)), String(rest.maximum ?? within(max))];
  return rest.default === undefined ? { integer } : { integer, default: rest.default };
}

/** roots: name → $id, or $id and a pointer to the definition. */
export function validators({ files, note, wide }, roots) {
  const most = wide === 'bigint' ? 2n ** 64n : BigInt(Number.MAX_SAFE_INTEGER);
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    messages: false,
    inlineRefs: false,
    useDefaults: true,
    code: { source: true, esm: true, optimize: 2 },
    keywords: [integerKeyword],
    schemas: files.map((file) => forAjv(file, most)),
  });
  const code = standalone.default(
    ajv,
    Object.fromEntries(Object.entries(roots).map(([name, file]) => [`validate${name}`, file])),
  );
  if (/\brequire\(|\bimport\b/.test(code)) throw new Error('the validators would import ajv at run time');
  return { 'validators.gen.js': `${note}\n${tidy(code)}`, 'validators.gen.d.ts': declarations(note, roots) };
}

/** One statement a line, and without the parts of the schemas that nothing reads. */
const tidy = (code) =>
  transformSync(code, { format: 'esm', treeShaking: true, minifySyntax: true, charset: 'utf8' }).code;

function declarations(note, roots) {
  return `${note}
/** One problem as ajv reports it, without a message. */
export interface SchemaProblem {
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly keyword: string;
  readonly params: { readonly [name: string]: unknown };
}

/** Checks a value in place (defaults are filled in); false leaves what it found in errors. */
export interface SchemaValidator {
  (value: unknown): boolean;
  errors?: readonly SchemaProblem[] | null;
}

${Object.keys(roots)
  .map((name) => `export const validate${name}: SchemaValidator;`)
  .join('\n')}
`;
}

// Validators made by ajv at build time, so that nothing is compiled and ajv is not loaded at run time.
import { _, Ajv } from 'ajv';
import { _Code } from 'ajv/dist/compile/codegen/code.js';
import standalone from 'ajv/dist/standalone/index.js';
import { transformSync } from 'esbuild';
import { INTEGERS, NOTE } from './schemas.mjs';

const ROOTS = { Config: 'config.json', Process: 'process.json', LinuxResources: 'resources.json' };

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
function forAjv(schema) {
  if (Array.isArray(schema)) return schema.map(forAjv);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { description, title, $schema, ...rest } = schema;
  if (rest.type !== 'integer')
    return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, forAjv(value)]));
  const [min, max] = INTEGERS[rest.format];
  const integer = [String(rest.minimum ?? min), String(rest.maximum ?? max)];
  return rest.default === undefined ? { integer } : { integer, default: rest.default };
}

export function validators({ files }) {
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    messages: false,
    inlineRefs: false,
    useDefaults: true,
    code: { source: true, esm: true, optimize: 2 },
    keywords: [integerKeyword],
    schemas: files.map(forAjv),
  });
  const code = standalone.default(
    ajv,
    Object.fromEntries(Object.entries(ROOTS).map(([name, file]) => [`validate${name}`, file])),
  );
  if (/\brequire\(|\bimport\b/.test(code)) throw new Error('the validators would import ajv at run time');
  return { 'validators.gen.js': `${NOTE}\n${tidy(code)}`, 'validators.gen.d.ts': declarations() };
}

/** One statement a line, and without the parts of the schemas that nothing reads. */
const tidy = (code) =>
  transformSync(code, { format: 'esm', treeShaking: true, minifySyntax: true, charset: 'utf8' }).code;

function declarations() {
  return `${NOTE}
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

${Object.keys(ROOTS)
  .map((name) => `export const validate${name}: SchemaValidator;`)
  .join('\n')}
`;
}
